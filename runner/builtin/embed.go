package builtin

import (
	"embed"
	"io/fs"
)

// ShippedModel is the name of the model in the binary: coloured shapes on coloured backgrounds.
// scripts/train made it and measures it.
const ShippedModel = "shapes"

//go:embed all:model all:lora
var shipped embed.FS

// Shipped is the pipeline directory of the model in the binary.
func Shipped() fs.FS { return sub("model") }

// ShippedLoRAs holds the LoRA files in the binary, NAME.safetensors each.
func ShippedLoRAs() fs.FS { return sub("lora") }

func sub(name string) fs.FS {
	files, err := fs.Sub(shipped, name)
	if err != nil { // a constant name that is embedded
		panic(err)
	}
	return files
}
