package coordinator

import (
	"fmt"
	"strings"
	"testing"
)

// The names that vendors' examples use all lead to the shipped model.
func TestDemoCatalogHasTheNamesOfTheVendorsExamples(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Catalog = "../docs/examples/catalog-demo.yaml" })
	if job := w.submit(`{"prompt":"a red circle"}`); job.Spec.Model != "shapes" || job.Spec.OutputWidth != 0 {
		t.Errorf("natively it makes %+v", job.Spec)
	}
	for vendor, names := range map[string]string{
		"openai":      "dall-e-2, dall-e-3, gpt-image-1, gpt-image-1-mini, shapes",
		"distribute":  "Flux.1 [dev], shapes",
		"modelslab":   "realistic-vision-51, midjourney, your_model_id, model_id, lazymixv4-inpaint, hf-model, flux, shapes",
		"nebulablock": "stabilityai/stable-diffusion-xl-base-1.0, black-forest-labs/FLUX.1-schnell, black-forest-labs/FLUX.1-Fill-dev, Bytedance-Seedream-3.0, shapes",
		"deepfellow":  "random, shapes, dall-e-3",
		"yescale":     "flux-pro, dall-e-3, imagen4, imagen4-fast, shapes",
	} {
		for name := range strings.SplitSeq(names, ", ") {
			job := w.submit(fmt.Sprintf(`{"prompt":"a red circle","model":%q}`, nativeName(t, vendor, name)))
			if job.Spec.Model != "shapes" || job.Spec.Width*job.Spec.Height > 128*128 {
				t.Errorf("%s for %s makes %+v", name, vendor, job.Spec)
			}
		}
	}
}

// nativeName finds a vendor's name in the demo catalog.
func nativeName(t *testing.T, vendor, name string) string {
	t.Helper()
	var file catalogFile
	file.path = "../docs/examples/catalog-demo.yaml"
	for _, d := range allDialects(service{}) {
		file.dialects = append(file.dialects, d.Name())
	}
	if err := file.read(); err != nil {
		t.Fatal(err)
	}
	m, ok := file.now().Find(vendor, name)
	if !ok {
		t.Fatalf("%s has no model %s, there are %s", vendor, name, file.now().Names(vendor))
	}
	return m.Name
}
