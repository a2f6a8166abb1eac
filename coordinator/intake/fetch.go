package intake

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
)

// Fetch implements dialect.Service. An address that we signed ourselves is read from where it is
// stored: clients hand back what we gave them, and we may well not be public.
func (s *Service) Fetch(ctx context.Context, address string) ([]byte, error) {
	picture, ours, err := s.own(ctx, address)
	if !ours {
		picture, err = s.o.Outside.Fetch(ctx, address)
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return picture, s.public(err)
}

// own reads a finished image or an uploaded picture by its signed address, and reports whether it is one of
// ours.
func (s *Service) own(ctx context.Context, address string) (picture []byte, ours bool, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, false, nil
	}
	if picture, ours, err := s.o.Uploads.Read(u, time.Now()); ours {
		return picture, true, err
	}
	id, index, ok := artifact.ParseImage(u)
	if !ok {
		return nil, false, nil
	}
	found, err := s.o.Jobs.Find(ctx, id)
	if err != nil || s.o.Links.Check(found.Job, id, index, u.Query(), time.Now()) != nil {
		return nil, false, nil // it may be anybody's
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
