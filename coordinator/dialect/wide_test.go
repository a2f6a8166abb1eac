package dialect

import (
	"fmt"
	"testing"
)

func TestWideReaders(t *testing.T) {
	show := func(v any) string {
		switch p := v.(type) {
		case *int64:
			if p != nil {
				return fmt.Sprint(*p)
			}
		case *float64:
			if p != nil {
				return fmt.Sprint(*p)
			}
		case *bool:
			if p != nil {
				return fmt.Sprint(*p)
			}
		case string:
			return p
		}
		return "none"
	}
	text := func(o *Object) any { return o.WideText("f") }
	whole := func(o *Object) any { return o.WideInt("f", -1, 100) }
	number := func(o *Object) any { return o.WideNumber("f", 0, 20) }
	yes := func(o *Object) any { return o.WideBool("f") }
	for name, c := range map[string]struct {
		body  string
		read  func(*Object) any
		want  string
		fault string
	}{
		"text":                         {`{"f":" a "}`, text, " a ", ""},
		"text from a number":           {`{"f":12.50}`, text, "12.50", ""},
		"text from null":               {`{"f":null}`, text, "", ""},
		"text from true":               {`{"f":true}`, text, "", "f: got true, want a string"},
		"text from an array":           {`{"f":["a"]}`, text, "", "f: got an array, want a string"},
		"number":                       {`{"f":21}`, whole, "21", ""},
		"number in a string":           {`{"f":" 21 "}`, whole, "21", ""},
		"whole number with a point":    {`{"f":"21.0"}`, whole, "21", ""},
		"least":                        {`{"f":-1}`, whole, "-1", ""},
		"most":                         {`{"f":"100"}`, whole, "100", ""},
		"above the most":               {`{"f":"101"}`, whole, "none", `f: got "101", want a whole number from -1 to 100`},
		"under the least":              {`{"f":-2}`, whole, "none", `f: got -2, want a whole number from -1 to 100`},
		"fraction":                     {`{"f":1.5}`, whole, "none", `f: got 1.5, want a whole number from -1 to 100`},
		"word":                         {`{"f":"many"}`, whole, "none", `f: got "many", want a whole number from -1 to 100`},
		"empty string":                 {`{"f":""}`, whole, "none", ""},
		"absent":                       {`{}`, whole, "none", ""},
		"object":                       {`{"f":{}}`, whole, "none", "f: got an object, want a whole number from -1 to 100"},
		"fraction in a string":         {`{"f":"7.5"}`, number, "7.5", ""},
		"no number":                    {`{"f":"NaN"}`, number, "none", `f: got "NaN", want a number from 0 to 20`},
		"endless":                      {`{"f":"Inf"}`, number, "none", `f: got "Inf", want a number from 0 to 20`},
		"beyond a float":               {`{"f":1e999}`, number, "none", `f: got 1e999, want a number from 0 to 20`},
		"too much":                     {`{"f":20.5}`, number, "none", `f: got 20.5, want a number from 0 to 20`},
		"false":                        {`{"f":false}`, number, "none", `f: got false, want a number from 0 to 20`},
		"yes":                          {`{"f":"yes"}`, yes, "true", ""},
		"YES":                          {`{"f":"YES"}`, yes, "true", ""},
		"true":                         {`{"f":true}`, yes, "true", ""},
		"true in a string":             {`{"f":"true"}`, yes, "true", ""},
		"one":                          {`{"f":1}`, yes, "true", ""},
		"no":                           {`{"f":"no"}`, yes, "false", ""},
		"false is no":                  {`{"f":false}`, yes, "false", ""},
		"zero in a string":             {`{"f":"0"}`, yes, "false", ""},
		"nothing is neither":           {`{"f":null}`, yes, "none", ""},
		"empty is neither":             {`{"f":" "}`, yes, "none", ""},
		"maybe":                        {`{"f":"maybe"}`, yes, "none", `f: got "maybe", want yes or no`},
		"two":                          {`{"f":2}`, yes, "none", `f: got 2, want yes or no`},
		"a list is neither yes nor no": {`{"f":["yes"]}`, yes, "none", `f: got an array, want yes or no`},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := ParseObject([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := show(c.read(o)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			fault := ""
			if err := o.Err(); err != nil {
				fault = err.Error()
			}
			if fault != c.fault {
				t.Errorf("fault %q, want %q", fault, c.fault)
			}
		})
	}
}
