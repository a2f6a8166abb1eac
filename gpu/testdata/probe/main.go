// Command probe prints the devices of this machine, as the agent's hidden command does.
package main

import (
	"log"
	"os"

	"github.com/easelgrid/easel/gpu"
)

func main() {
	if err := gpu.WriteProbe(os.Stdout); err != nil {
		log.Fatal(err)
	}
}
