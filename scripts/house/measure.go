package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A room is a directory with Go files, or all of them together.
type room struct {
	name      string
	files     []length
	functions []length
	code      int // lines of product code: neither blank nor comment
	comments  int // lines of comments beside it
	tests     int // lines of test code
}

// A length is how many lines something has.
type length struct {
	name  string
	lines int
}

// measure reads every Go file below a directory and returns its rooms, by name.
func measure(root string) ([]room, error) {
	byName := map[string]*room{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipped(root, path, entry)
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if byName[dir] == nil {
			byName[dir] = &room{name: dir}
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return byName[dir].add(filepath.ToSlash(name), body)
	})
	if err != nil {
		return nil, err
	}
	rooms := make([]room, 0, len(byName))
	for _, r := range byName {
		if r.code+r.tests > 0 {
			rooms = append(rooms, *r)
		}
	}
	slices.SortFunc(rooms, func(a, b room) int { return strings.Compare(a.name, b.name) })
	return rooms, nil
}

// skipped leaves out what the go command leaves out too.
func skipped(root, path string, entry fs.DirEntry) error {
	name := entry.Name()
	if path != root && (name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
		return fs.SkipDir
	}
	return nil
}

// add counts one file.
func (r *room) add(name string, body []byte) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, body, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ast.IsGenerated(file) {
		return nil
	}
	code, comments := count(files, file, body)
	if forTests(name) {
		r.tests += code
		return nil
	}
	r.code += code
	r.comments += comments
	r.files = append(r.files, length{name, strings.Count(string(body), "\n")})
	for _, declaration := range file.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Body != nil {
			lines := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1
			r.functions = append(r.functions, length{name + " " + functionName(f), lines})
		}
	}
	return nil
}

// forTests reports whether a file serves tests only: by its own name, or as part of a package that is
// named as net/http/httptest is.
func forTests(name string) bool {
	if strings.HasSuffix(name, "_test.go") {
		return true
	}
	folders := strings.Split(name, "/")
	return slices.ContainsFunc(folders[:len(folders)-1], func(f string) bool { return strings.HasSuffix(f, "test") })
}

// count returns the lines that have code, and those that have nothing but a comment. Lines of a string
// that goes over several have code.
func count(files *token.FileSet, file *ast.File, body []byte) (code, comments int) {
	commented := map[int]bool{}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			for line := files.Position(comment.Pos()).Line; line <= files.Position(comment.End()).Line; line++ {
				commented[line] = true
			}
		}
	}
	for i, line := range strings.Split(string(body), "\n") {
		text := strings.TrimSpace(line)
		switch {
		case text == "":
		case commented[i+1] && (strings.HasPrefix(text, "//") || insideBlock(text)):
			comments++
		default:
			code++
		}
	}
	return code, comments
}

// insideBlock reports whether a line that a comment touches has no code before or after it.
func insideBlock(text string) bool {
	before, rest, begins := strings.Cut(text, "/*")
	if begins {
		_, after, ends := strings.Cut(rest, "*/")
		return strings.TrimSpace(before) == "" && (!ends || strings.TrimSpace(after) == "")
	}
	_, after, ends := strings.Cut(text, "*/")
	return !strings.Contains(text, "//") && (!ends || strings.TrimSpace(after) == "")
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}

// together is all rooms as one.
func together(rooms []room) room {
	all := room{name: "all"}
	for _, r := range rooms {
		all.files = append(all.files, r.files...)
		all.functions = append(all.functions, r.functions...)
		all.code += r.code
		all.comments += r.comments
		all.tests += r.tests
	}
	return all
}
