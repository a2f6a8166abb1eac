package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// manyRuntimes have models with LoRAs each.
func manyRuntimes(models, loras int) []Runtime {
	r := Runtime{Name: "builtin", MaxPixels: 1 << 20, SizeStep: 8}
	for i := range models {
		m := Model{Name: fmt.Sprintf("model-%d", i), Digest: strings.Repeat("0", 64)}
		for j := range loras {
			m.LoRAs = append(m.LoRAs, Adapter{Name: fmt.Sprintf("a LoRA with the number %d", j), Digest: strings.Repeat("f", 64)})
		}
		r.Models = append(r.Models, m)
	}
	return []Runtime{r}
}

func TestDescriptionInParts(t *testing.T) {
	for _, c := range []struct{ models, loras int }{{1, 0}, {3, 200}, {500, 20}} {
		t.Run(fmt.Sprintf("%d models x %d LoRAs", c.models, c.loras), func(t *testing.T) {
			runtimes := manyRuntimes(c.models, c.loras)
			parts, err := DescribeRuntimes(runtimes)
			if err != nil {
				t.Fatal(err)
			}
			if len(parts) > MaxDescribeParts {
				t.Errorf("%d parts, want at most %d", len(parts), MaxDescribeParts)
			}
			var d Description
			for _, p := range parts {
				frame, err := json.Marshal(NodeMessage{Describe: &p})
				if err != nil {
					t.Fatal(err)
				}
				var m NodeMessage
				if err := DecodeFrame(frame, &m); err != nil { // refuses frames that are too large
					t.Fatal(err)
				}
				if err := d.Add(*m.Describe); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := d.Runtimes(); err != nil || !reflect.DeepEqual(got, runtimes) {
				t.Errorf("joined they are others: %v", err)
			}
		})
	}
}

func TestDescriptionsThatAreRefused(t *testing.T) {
	if _, err := DescribeRuntimes(manyRuntimes(500, 100)); err == nil {
		t.Error("50,000 LoRAs were described")
	}
	var d Description
	if err := d.Add(Describe{Part: 1}); err == nil {
		t.Error("began with the second part")
	}
	for i := 0; ; i++ {
		if err := d.Add(Describe{Part: i, JSON: make([]byte, 1<<20)}); err != nil {
			if i != 2 {
				t.Errorf("part %d: %v", i, err)
			}
			break
		}
	}
	if _, err := d.Runtimes(); err == nil {
		t.Error("zeros are runtimes")
	}
}
