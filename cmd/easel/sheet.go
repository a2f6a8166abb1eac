package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/easelgrid/easel/api"
)

// A contact sheet: two pictures a row, twice their usual size, with the prompt under each.
const (
	sheetColumns = 2
	sheetPicture = 320 // pixels
	sheetMargin  = 16
	sheetCaption = 40 // room for two lines
	sheetLetters = sheetPicture / 7
)

func writeSheet(target string, pictures []string, requests []api.JobRequest) error {
	columns := min(sheetColumns, len(pictures))
	rows := (len(pictures) + columns - 1) / columns
	cellW, cellH := sheetPicture+sheetMargin, sheetPicture+sheetCaption+sheetMargin
	sheet := image.NewRGBA(image.Rect(0, 0, columns*cellW+sheetMargin, rows*cellH+sheetMargin))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	for i, path := range pictures {
		corner := image.Pt(sheetMargin+i%columns*cellW, sheetMargin+i/columns*cellH)
		if err := place(sheet, corner, path); err != nil {
			return err
		}
		caption(sheet, corner.Add(image.Pt(0, sheetPicture+15)), title(requests[i]))
	}
	var body bytes.Buffer
	if err := png.Encode(&body, sheet); err != nil {
		return fmt.Errorf("encode contact sheet: %w", err)
	}
	return writePicture(target, body.Bytes())
}

// place draws a picture into its square of the sheet, keeping its proportions.
func place(sheet draw.Image, corner image.Point, path string) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	picture, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	size := picture.Bounds().Size()
	longest := max(size.X, size.Y)
	w, h := sheetPicture*size.X/longest, sheetPicture*size.Y/longest
	target := image.Rect(0, 0, w, h).Add(corner).Add(image.Pt((sheetPicture-w)/2, (sheetPicture-h)/2))
	draw.CatmullRom.Scale(sheet, target, picture, picture.Bounds(), draw.Over, nil)
	return nil
}

// caption writes at most two lines of text.
func caption(sheet draw.Image, at image.Point, text string) {
	drawer := font.Drawer{Dst: sheet, Src: image.NewUniform(color.Gray{60}), Face: basicfont.Face7x13}
	for line := range 2 {
		head, rest := wrap(text, sheetLetters)
		drawer.Dot = fixed.P(at.X, at.Y+15*line)
		drawer.DrawString(head)
		text = rest
	}
}

// wrap cuts text at the last space within n letters.
func wrap(text string, n int) (head, rest string) {
	letters := []rune(text)
	if len(letters) <= n {
		return text, ""
	}
	for i := n; i > 0; i-- {
		if letters[i] == ' ' {
			return string(letters[:i]), string(letters[i+1:])
		}
	}
	return string(letters[:n]), string(letters[n:])
}
