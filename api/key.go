package api

import "time"

// A Key is what admins see of an API key.
type Key struct {
	ID      string `json:"id"`
	Name    string `json:"name"` // what logs, the ledger and jobs know its holder by
	Role    string `json:"role"` // "client" or "admin"
	Dialect string `json:"dialect,omitempty"`
	// PromptSettings allows settings inside of prompts, in dialects that have such.
	PromptSettings bool      `json:"prompt_settings,omitempty"`
	Limits         KeyLimits `json:"limits"`
	CreatedAt      time.Time `json:"created_at"`
	ExpiresAt      time.Time `json:"expires_at,omitzero"`
	// Secret is the key itself. It is in the reply that makes the key and nowhere else.
	Secret string `json:"key,omitempty"`
}

// KeyLimits are what a key may use; 0 is no limit.
type KeyLimits struct {
	RequestsPerMinute    int     `json:"requests_per_minute"`
	OpenJobs             int     `json:"open_jobs"` // not settled at the same time
	ImagesPerDay         int     `json:"images_per_day"`
	MegapixelStepsPerDay float64 `json:"megapixel_steps_per_day"` // steps * width * height / 2^20, summed over images
}

// DefaultKeyLimits are those of a client's key unless it is made with others.
var DefaultKeyLimits = KeyLimits{RequestsPerMinute: 600, OpenJobs: 100}

// A KeyRequest is the body of POST /easel/v1/keys. Without limits a client's key has DefaultKeyLimits
// and an admin's none; what given limits leave out is as in DefaultKeyLimits.
type KeyRequest struct {
	Name           string     `json:"name"`
	Role           string     `json:"role,omitempty"` // "client" unless given
	Dialect        string     `json:"dialect,omitempty"`
	PromptSettings bool       `json:"prompt_settings,omitempty"`
	Limits         *KeyLimits `json:"limits,omitempty"`
	ExpiresAt      time.Time  `json:"expires_at,omitzero"`
}

// A Usage is what one key used on one day (UTC), of jobs that are settled.
type Usage struct {
	Key            string  `json:"key"` // its name
	Day            string  `json:"day"` // such as "2026-11-21"
	Jobs           int     `json:"jobs"`
	Succeeded      int     `json:"succeeded"`
	Failed         int     `json:"failed"`
	Canceled       int     `json:"canceled"`
	Images         int     `json:"images"`          // delivered
	MegapixelSteps float64 `json:"megapixel_steps"` // steps * width * height / 2^20 of the images delivered, as they were made
}
