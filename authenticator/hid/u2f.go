package hid

import "context"

func translate(ctx context.Context, t *Transport, msg []byte) ([]byte, error) {
	return nil, Error(codeInvalidCommand)
}
