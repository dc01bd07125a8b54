package softkey_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

func TestFileKeepsTheKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	k, err := softkey.Open(path, softkey.Options{})
	require.NoError(t, err)
	status, made := send(t, k, 1, creation())
	require.Zero(t, status)
	status, _ = send(t, k, 1, creation(set(4, []m{{"alg": -8, "type": "public-key"}}), set(3, m{"id": []byte("user-2")})))
	require.Zero(t, status)
	status, _ = send(t, k, 2, request())
	require.Zero(t, status)
	require.NoError(t, k.Close())
	require.NoError(t, k.Close())

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, strings.SplitN(string(content), "\n", 3)[1], "NOT FOR PRODUCTION")

	k, err = softkey.Open(path, softkey.Options{})
	require.NoError(t, err)
	defer k.Close()
	status, first := send(t, k, 2, request())
	require.Zero(t, status)
	require.EqualValues(t, 2, first[5])
	require.EqualValues(t, 2, first[2].([]byte)[36], "the counter goes on")
	_, second := send(t, k, 8, nil)
	require.Contains(t, string(made[2].([]byte)), string(second[1].(map[any]any)["id"].([]byte)))

	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 2, "the key and its lock, nothing half-written")
}

func TestFileKeepsPINRetries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	k, err := softkey.Open(path, softkey.Options{PIN: []byte("1234")})
	require.NoError(t, err)
	p := agree(t, k, 2)
	status, _ := p.token(t, k, "9999", 1, "example.org")
	require.EqualValues(t, 0x31, status)
	require.NoError(t, k.Close())

	k, err = softkey.Open(path, softkey.Options{PIN: []byte("5678")})
	require.NoError(t, err)
	defer k.Close()
	_, body := send(t, k, 6, m{2: 1})
	require.EqualValues(t, 7, body[3])
	status, _ = agree(t, k, 2).token(t, k, "1234", 1, "example.org")
	require.Zero(t, status, "a key that has a PIN keeps it")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(content), "1234")
}

func TestFileRefusals(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.json")
	k, err := softkey.Open(path, softkey.Options{PIN: []byte("1234")})
	require.NoError(t, err)
	_, err = softkey.Open(path, softkey.Options{})
	require.ErrorIs(t, err, softkey.ErrInUse)
	require.NoError(t, k.Close())

	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o620} {
		require.NoError(t, os.Chmod(path, mode))
		_, err = softkey.Open(path, softkey.Options{})
		require.ErrorContains(t, err, "chmod 600")
	}
	require.NoError(t, os.Chmod(path, 0o600))
	k, err = softkey.Open(path, softkey.Options{})
	require.NoError(t, err, "a refusal gave the lock back")
	require.NoError(t, k.Close())

	for name, content := range map[string]string{
		"empty":          "",
		"other JSON":     `{"hello":1}`,
		"another format": `{"WARNING":"","version":2,"pin_retries":8,"credentials":[]}`,
		"retries":        `{"WARNING":"","version":1,"pin_retries":9,"credentials":[]}`,
		"no key":         `{"WARNING":"","version":1,"pin_retries":8,"credentials":[{"id":"AAAA"}]}`,
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err = softkey.Open(path, softkey.Options{})
		require.Error(t, err, name)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(after), "a file that was not understood was overwritten")
	}
	link := filepath.Join(dir, "link.json")
	require.NoError(t, os.Symlink(path, link))
	_, err = softkey.Open(link, softkey.Options{})
	require.ErrorContains(t, err, "regular file")
	_, err = softkey.Open(filepath.Join(dir, "no", "such", "key"), softkey.Options{})
	require.Error(t, err)
}

// A key that cannot write down what it did has not done it.
func TestFileThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	require.NoError(t, os.Mkdir(dir, 0o700))
	k, err := softkey.Open(filepath.Join(dir, "key.json"), softkey.Options{})
	require.NoError(t, err)
	defer k.Close()
	require.NoError(t, os.RemoveAll(dir))
	status, _ := send(t, k, 1, creation())
	require.EqualValues(t, 0x7F, status)
	status, _ = send(t, k, 2, request())
	require.EqualValues(t, 0x2E, status)
}

// The lock holds between processes, and a killed one leaves nothing locked.
func TestFileInAnotherProcess(t *testing.T) {
	const variable = "SOFTKEY_TEST_HOLD"
	if path := os.Getenv(variable); path != "" {
		_, err := softkey.Open(path, softkey.Options{})
		if err != nil {
			os.Stdout.WriteString("error\n")
			os.Exit(1)
		}
		os.Stdout.WriteString("held\n")
		select {} // until killed
	}
	path := filepath.Join(t.TempDir(), "key.json")
	child := exec.Command(os.Args[0], "-test.run=^TestFileInAnotherProcess$")
	child.Env = append(os.Environ(), variable+"="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line := make([]byte, 5)
	_, err = out.Read(line)
	require.NoError(t, err)
	require.Equal(t, "held\n", string(line))
	_, err = softkey.Open(path, softkey.Options{})
	require.ErrorIs(t, err, softkey.ErrInUse)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	k, err := softkey.Open(path, softkey.Options{})
	require.NoError(t, err)
	require.NoError(t, k.Close())
}

func FuzzFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "key.json")
	k, err := softkey.Open(path, softkey.Options{PIN: []byte("1234")})
	require.NoError(f, err)
	send(f, k, 1, creation(set(7, m{})))
	require.NoError(f, k.Close())
	content, err := os.ReadFile(path)
	require.NoError(f, err)
	_, err = softkey.ParseFile(content)
	require.NoError(f, err)
	f.Add(content)
	f.Add(bytes.Replace(content, []byte("-7"), []byte("-8"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		if partial, _ := softkey.ParseFile(data); partial {
			t.Fatal("a failed parse returned something")
		}
	})
}
