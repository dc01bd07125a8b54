//go:build libfido2 && cgo && linux

package interpose

/*
#cgo LDFLAGS: -lfido2
#include <fido.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEYS 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { char *path, *manufacturer, *product; } keys[MAX_KEYS];
static size_t count;

static int lakekey_add(const char *path, const char *manufacturer, const char *product) {
	int added = 0;
	pthread_mutex_lock(&lock);
	if (count < MAX_KEYS) {
		keys[count].path = strdup(path);
		keys[count].manufacturer = strdup(manufacturer);
		keys[count].product = strdup(product);
		count++;
		added = 1;
	}
	pthread_mutex_unlock(&lock);
	return added;
}

static void lakekey_clear(void) {
	pthread_mutex_lock(&lock);
	while (count > 0) {
		count--;
		free(keys[count].path);
		free(keys[count].manufacturer);
		free(keys[count].product);
	}
	pthread_mutex_unlock(&lock);
}

// Functions that are there, as fido_dev_info_set demands, and never called: keys are
// opened by their path.
static void *io_open(const char *path) { (void)path; return NULL; }
static void io_close(void *h) { (void)h; }
static int io_read(void *h, unsigned char *b, size_t n, int ms) { (void)h; (void)b; (void)n; (void)ms; return -1; }
static int io_write(void *h, const unsigned char *b, size_t n) { (void)h; (void)b; (void)n; return -1; }

int fido_dev_info_manifest(fido_dev_info_t *list, size_t n, size_t *found) {
	fido_dev_io_t io = { io_open, io_close, io_read, io_write };
	int r = FIDO_OK;
	*found = 0;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count && i < n && r == FIDO_OK; i++) {
		r = fido_dev_info_set(list, i, keys[i].path, keys[i].manufacturer, keys[i].product, &io, NULL);
		if (r == FIDO_OK)
			(*found)++;
	}
	pthread_mutex_unlock(&lock);
	return r;
}
*/
import "C"

import "unsafe"

// Add lists a key at a path, and reports whether there was room.
func Add(path, manufacturer, product string) bool {
	texts := [3]*C.char{C.CString(path), C.CString(manufacturer), C.CString(product)}
	defer func() {
		for _, text := range texts {
			C.free(unsafe.Pointer(text))
		}
	}()
	return C.lakekey_add(texts[0], texts[1], texts[2]) != 0
}

// Clear lists no key any more.
func Clear() { C.lakekey_clear() }
