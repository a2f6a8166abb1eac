package coordinator

import (
	"testing"
	"time"
)

func TestHowLongThingsAreKept(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct{ links, images, records, wantImages, wantRecords time.Duration }{
		{0, 0, 0, day, 30 * day},
		{0, time.Hour, 0, day, 30 * day},
		{48 * time.Hour, 0, 0, 2 * day, 30 * day},
		{0, 60 * day, 0, 60 * day, 60 * day},
		{0, 0, time.Hour, day, day},
		{0, -1, 0, -1, -1},
		{0, -1, day, -1, -1},
		{0, 0, -1, day, -1},
	} {
		got := Config{LinkValid: c.links, KeepImages: c.images, KeepRecords: c.records}.withDefaults()
		if got.KeepImages != c.wantImages || got.KeepRecords != c.wantRecords {
			t.Errorf("%+v: images %s, records %s", c, got.KeepImages, got.KeepRecords)
		}
	}
}
