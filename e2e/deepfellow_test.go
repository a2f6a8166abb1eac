package e2e

import (
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// DeepFellow's users are told to use OpenAI's client with another base URL.
func TestDeepFellowWithOpenAIsGoClient(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.join(s.url, "builtin")
	client := openai.NewClient(option.WithBaseURL(s.url+"/deepfellow/v1"), option.WithAPIKey(s.client.Key),
		option.WithOrganization("5eb7cf5a86d9755df3a6c593"), option.WithProject("5eb7cf5a86d9755df3a6c593"))
	reply, err := client.Images.Generate(t.Context(), openai.ImageGenerateParams{Prompt: greenStar, Size: "128x128", N: openai.Int(2)})
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.Data) != 2 || reply.Usage.OutputTokens != 32 || reply.Usage.TotalTokens != reply.Usage.InputTokens+32 {
		t.Errorf("%d images, %+v", len(reply.Data), reply.Usage)
	}
	for _, datum := range reply.Data {
		shows(t, decodedPicture(t, datum.B64JSON, "png"), greenStar)
	}
	for detail, params := range map[string]openai.ImageGenerateParams{
		`[{"loc":["body","n"],"msg":"Input should be a whole number from 1 to 4","type":"less_than_equal"}]`: {Prompt: greenStar, N: openai.Int(9)},
		`"Response format url not supported"`: {Prompt: greenStar, ResponseFormat: "url"},
	} {
		_, err := client.Images.Generate(t.Context(), params)
		told, ok := errors.AsType[*openai.Error](err)
		if !ok || told.StatusCode != 422 || !strings.Contains(string(told.DumpResponse(true)), detail) {
			t.Errorf("want %s, got %v", detail, err)
		}
	}
	page, err := client.Models.List(t.Context())
	if err != nil || len(page.Data) != 1 || page.Data[0].ID != "shapes" {
		t.Errorf("%+v, %v", page, err)
	}
}
