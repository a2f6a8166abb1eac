package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
)

// The size of a picture whose random pixels take a bit more than one MiB; every vendor takes it.
const width, height = 768, 512

// way is one way to ask for the picture.
type way struct {
	name, reply string
	ask         func(context.Context, *grid) (size int, err error)
}

var ways = []way{
	{"native", "event, then the file", native},
	{"OpenAI", "base64", inBody("/v1/images/generations", map[string]any{"model": "fake", "size": sized, "response_format": "b64_json"})},
	{"OpenAI", "address, then the file", byAddress("/v1/images/generations", map[string]any{"model": "fake", "size": sized, "response_format": "url"})},
	{"DistributeAI", "address, then the file", byAddress("/distribute/v1/images/generations", map[string]any{"model": "fake", "size": sized})},
	{"Nebula Block", "base64", inBody("/api/v1/images/generation", map[string]any{"model": "fake", "width": width, "height": height, "num_steps": 10})},
	{"DeepFellow", "base64", inBody("/deepfellow/v1/images/generations", map[string]any{"model": "fake", "size": sized})},
	{"YeScale", "address, then the file", byAddress("/yescale/v1/images/generations", map[string]any{"model": "fake", "size": sized})},
	{"ModelsLab", "address, then the file", byOutput("/api/v6/images/text2img", map[string]any{"model_id": "fake", "width": width, "height": height, "samples": 1})},
}

var (
	sized  = fmt.Sprintf("%dx%d", width, height)
	prompt = "fake:noise"
)

func native(ctx context.Context, g *grid) (int, error) {
	w, h := width, height
	job, err := g.native.Submit(ctx, api.JobRequest{Model: "fake", Prompt: prompt, Width: &w, Height: &h}, "")
	if err != nil {
		return 0, err
	}
	if job, err = g.native.Wait(ctx, job.ID, nil); err != nil {
		return 0, err
	}
	if len(job.Images) != 1 {
		return 0, fmt.Errorf("%d images: %v", len(job.Images), job.Error)
	}
	return fetched(ctx, job.Images[0].URL)
}

// inBody reads a picture from the reply itself.
func inBody(path string, request map[string]any) func(context.Context, *grid) (int, error) {
	return func(ctx context.Context, g *grid) (int, error) {
		var reply struct {
			Data []struct {
				Base64 string `json:"b64_json"`
			} `json:"data"`
		}
		if err := g.ask(ctx, path, request, &reply); err != nil {
			return 0, err
		}
		if len(reply.Data) != 1 {
			return 0, errors.New("no picture")
		}
		file, err := base64.StdEncoding.DecodeString(reply.Data[0].Base64)
		return len(file), err
	}
}

// byAddress fetches a picture that the reply has the address of.
func byAddress(path string, request map[string]any) func(context.Context, *grid) (int, error) {
	return func(ctx context.Context, g *grid) (int, error) {
		var reply struct {
			Data []struct{ URL string } `json:"data"`
		}
		if err := g.ask(ctx, path, request, &reply); err != nil {
			return 0, err
		}
		if len(reply.Data) != 1 {
			return 0, errors.New("no picture")
		}
		return fetched(ctx, reply.Data[0].URL)
	}
}

func byOutput(path string, request map[string]any) func(context.Context, *grid) (int, error) {
	return func(ctx context.Context, g *grid) (int, error) {
		var reply struct {
			Status string
			Output []string
		}
		if err := g.ask(ctx, path, request, &reply); err != nil {
			return 0, err
		}
		if reply.Status != "success" || len(reply.Output) != 1 {
			return 0, fmt.Errorf("status %s", reply.Status)
		}
		return fetched(ctx, reply.Output[0])
	}
}

func (g *grid) ask(ctx context.Context, path string, request map[string]any, reply any) error {
	request["prompt"] = prompt
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.native.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+g.native.Key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%d %.300s", answer.StatusCode, all)
	}
	return json.Unmarshal(all, reply)
}

func fetched(ctx context.Context, address string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d", address, answer.StatusCode)
	}
	return int(n), err
}
