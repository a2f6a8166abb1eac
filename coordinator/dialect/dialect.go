// Package dialect is what the wire formats of other vendors' image APIs have in common.
//
// A dialect is one package below this one: its fields, a decoder that turns its vendor's requests into a
// [Request], an encoder for what became of the job, and its vendor's form of errors. What is the same
// for every vendor is here: a [Frame] finds the caller and answers errors, a [Making] takes a request
// for pictures from its body to its reply. The work is done by the coordinator, behind the small
// interfaces of which [Service] is the sum.
package dialect

import "net/http"

// A Dialect is one vendor's API.
type Dialect interface {
	// Name is what API keys are bound to and catalogs give aliases for, such as "openai".
	Name() string
	// Routes are all paths of the API.
	Routes() []Route
	// Fail answers a request with an error in the vendor's form: one of its own handlers' or one from
	// around them, such as a missing key or an exhausted quota. An error with RetryAfter sets the header.
	Fail(w http.ResponseWriter, r *http.Request, err error)
	// Describe is the OpenAPI 3.1 document of the routes.
	Describe() map[string]any
	// Fields are every documented field of the vendor's requests and what easel does with it.
	Fields() []Field
}

// A Route is a method and a path as the vendor documents it.
type Route struct {
	Method string
	Path   string // in the form of http.ServeMux, such as "/v1/models/{id}"
	// Prefix is put before the path where another vendor has the same one, such as "/deepfellow". A
	// request whose API key is bound to the dialect needs no prefix.
	Prefix string
	Handle func(w http.ResponseWriter, r *http.Request)
}

// A Field is one documented field of a request.
type Field struct {
	Request string // which, such as "text2img"
	Name    string
	Use     Use
	Note    string // what it becomes, its limits, or why it is refused
}

// Use is what easel does with a field.
type Use string

// The uses of a field.
const (
	Used     Use = "used"
	Harmless Use = "accepted, no effect"
	Refused  Use = "refused with an error"
)
