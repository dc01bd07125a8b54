//go:build darwin || freebsd

package remote

import "golang.org/x/sys/unix"

// userOf asks the kernel as whom the other side of a socket runs.
func userOf(fd int) (uint32, error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
