package remote

import "time"

const (
	// firstCoolDown is how long nobody may ask after a denial, and maxCoolDown the
	// most that it grows to: each further denial in a row doubles it.
	firstCoolDown = 30 * time.Second
	maxCoolDown   = 16 * time.Minute
)

// coolDown keeps a program from asking until the person gives in. It is for all who
// ask, and not for the host that was denied: that name is only a claim.
type coolDown struct {
	until time.Time
	last  time.Duration // of the denials in a row; 0: the last answer was a yes
}

// left is how long nobody may ask yet.
func (c *coolDown) left(now time.Time) time.Duration { return max(0, c.until.Sub(now)) }

func (c *coolDown) denied(now time.Time) {
	c.last = min(max(firstCoolDown, 2*c.last), maxCoolDown)
	c.until = now.Add(c.last)
}

func (c *coolDown) agreed() { *c = coolDown{} }
