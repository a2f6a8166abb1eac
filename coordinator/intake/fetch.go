package coordinator

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// Fetch implements dialect.Service. An address that we signed ourselves is read from where it is
// stored: clients hand back what we gave them, and we may well not be public.
func (s service) Fetch(ctx context.Context, address string) ([]byte, error) {
	picture, ours, err := s.own(ctx, address)
	if !ours {
		picture, err = s.c.outside.Fetch(ctx, address)
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return picture, s.told(err)
}

// own reads a finished image by its signed address, and reports whether it is one.
func (s service) own(ctx context.Context, address string) (picture []byte, ours bool, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, false, nil
	}
	if picture, ours, err := s.c.ownKept(u); ours {
		return picture, true, err
	}
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), imagesPath), "/")
	if !strings.HasPrefix(u.EscapedPath(), imagesPath) || len(parts) != 3 || parts[1] != "images" {
		return nil, false, nil
	}
	id, name := parts[0], parts[2]
	number, _, _ := strings.Cut(name, ".")
	index, err := strconv.Atoi(number)
	if err != nil {
		return nil, false, nil
	}
	r, _, _, err := s.c.jobs.find(ctx, id)
	if err != nil || s.c.signed(r, id, index, u.Query(), time.Now()) != nil {
		return nil, false, nil // whoever may have signed it
	}
	file, _, err := s.Open(ctx, id, index)
	if err != nil {
		return nil, true, err
	}
	defer file.Close()
	if picture, err = io.ReadAll(io.LimitReader(file, api.MaxInputBytes+1)); err != nil {
		return nil, true, fmt.Errorf("read image: %w", err)
	}
	return picture, true, nil
}
