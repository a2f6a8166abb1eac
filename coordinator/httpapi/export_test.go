package httpapi

// Limits, for the tests from outside.
const (
	MaxJobRequest = maxJobRequest
	MaxImage      = maxImage
)
