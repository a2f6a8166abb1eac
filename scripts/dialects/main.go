// Command dialects makes the tables of docs/dialects.md: every documented field of every vendor's
// requests and what easel does with it, from the tables that the dialects' tests hold against their
// decoders.
//
//	go run ./scripts/dialects          prints the tables
//	go run ./scripts/dialects -write   puts them into docs/dialects.md
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/deepfellow"
	"github.com/easelgrid/easel/coordinator/dialect/distribute"
	"github.com/easelgrid/easel/coordinator/dialect/modelslab"
	"github.com/easelgrid/easel/coordinator/dialect/nebulablock"
	"github.com/easelgrid/easel/coordinator/dialect/openai"
	"github.com/easelgrid/easel/coordinator/dialect/yescale"
	"github.com/easelgrid/easel/scripts/internal/between"
)

// vendors are in the order of the page.
var vendors = []struct {
	title   string
	dialect dialect.Dialect
}{
	{"OpenAI", openai.New(nil)},
	{"DistributeAI", distribute.New(nil)},
	{"ModelsLab", modelslab.New(nil)},
	{"Nebula Block", nebulablock.New(nil)},
	{"DeepFellow", deepfellow.New(nil)},
	{"YeScale", yescale.New(nil)},
}

const page = "docs/dialects.md"

// The tables stand between these lines.
const (
	begin = "<!-- tables: go run ./scripts/dialects -write -->"
	end   = "<!-- end of tables -->"
)

func main() {
	write := flag.Bool("write", false, "put the tables into "+page)
	flag.Parse()
	if err := run(*write); err != nil {
		fmt.Fprintln(os.Stderr, "dialects:", err)
		os.Exit(1)
	}
}

func run(write bool) error {
	if !write {
		fmt.Print(tables())
		return nil
	}
	return between.Write(page, begin, end, tables())
}

func tables() string {
	var out strings.Builder
	for _, v := range vendors {
		fmt.Fprintf(&out, "### %s\n\n%s\n\n", v.title, paths(v.dialect))
		writeFields(&out, v.dialect.Fields())
	}
	return out.String()
}

// mostPaths are still readable in a line.
const mostPaths = 8

func paths(d dialect.Dialect) string {
	routes := d.Routes()
	if len(routes) > mostPaths {
		return fmt.Sprintf("%d paths: see `/openapi/%s.json`.", len(routes), d.Name())
	}
	texts := make([]string, len(routes))
	for i, r := range routes {
		texts[i] = fmt.Sprintf("`%s %s`", r.Method, r.Prefix+r.Path)
	}
	return strings.Join(texts, ", ")
}

// writeFields makes one table for each request. Requests whose tables are the same share one.
func writeFields(out *strings.Builder, fields []dialect.Field) {
	var requests []string
	rows := map[string]string{}
	for _, f := range fields {
		if _, ok := rows[f.Request]; !ok {
			requests = append(requests, f.Request)
		}
		rows[f.Request] += fmt.Sprintf("| `%s` | %s | %s |\n", f.Name, f.Use, cell(f.Note))
	}
	for i, request := range requests {
		table := rows[request]
		if table == "" {
			continue
		}
		names := []string{request}
		for _, other := range requests[i+1:] {
			if rows[other] == table {
				names = append(names, other)
				rows[other] = ""
			}
		}
		fmt.Fprintf(out, "**%s**\n\n| field | easel | notes |\n|---|---|---|\n%s\n", strings.Join(names, ", "), table)
	}
}

// cell is a text in a table: bars would end the cell, and angle brackets would be taken for HTML.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "\n", " ").Replace(text)
}
