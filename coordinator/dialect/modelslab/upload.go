package modelslab

import (
	"slices"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// uploadImage keeps a picture and answers with its address, which init_image takes.
func (d *modelsLab) uploadImage(c *call) error {
	picture := decodeUpload(c.body)
	if err := c.body.Err(); err != nil {
		return err
	}
	address, err := d.service.Keep(c.Context(), c.R, c.Who, picture)
	if err != nil {
		return err
	}
	return c.Reply(struct {
		Status  string `json:"status"`
		Message string `json:"message"`
		URL     string `json:"image_url"`
	}{"success", "image uploaded", address})
}

// decodeUpload reads the picture. What it is decides the picture and not its declared type.
func decodeUpload(f *form) []byte {
	kind := strings.ToLower(f.WideText("image_type"))
	if kinds := []string{"", "png", "jpeg", "jpg"}; !slices.Contains(kinds, kind) {
		f.Fault("image_type", api.Quote(kind), "png, jpeg or jpg")
	}
	text := f.must("base64_image")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	picture, err := dialect.DecodePicture(strings.TrimSpace(text))
	if err == nil {
		_, err = api.ReadInput(picture)
	}
	notePicture(f, "base64_image", err)
	return picture
}
