// Command lookat decodes picture files whole and prints format, width and height of each, one a line.
// It ends with status 1 at the first that is no picture.
package main

import (
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"os"

	_ "golang.org/x/image/webp"
)

func main() {
	for _, name := range os.Args[1:] {
		if err := lookAt(name); err != nil {
			fmt.Fprintf(os.Stderr, "lookat: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

func lookAt(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	picture, format, err := image.Decode(file)
	if err != nil {
		return err
	}
	size := picture.Bounds().Size()
	fmt.Printf("%s %dx%d\n", format, size.X, size.Y)
	return nil
}
