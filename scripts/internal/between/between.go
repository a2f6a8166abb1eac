// Package between puts what a program made into a document, between two marks that stand there.
package between

import (
	"fmt"
	"os"
	"strings"
)

// Replace returns the document with the content between the two marks, a blank line after and before them. What lay
// between them goes. A document without the marks, or with them in another order, is an error.
func Replace(document, begin, end, content string) (string, error) {
	head, rest, opened := strings.Cut(document, begin)
	_, tail, closed := strings.Cut(rest, end)
	if !opened || !closed {
		return "", fmt.Errorf("there are no marks %q and %q in this order", begin, end)
	}
	return head + begin + "\n\n" + strings.Trim(content, "\n") + "\n\n" + end + tail, nil
}

// Write is Replace in a file.
func Write(path, begin, end, content string) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	replaced, err := Replace(string(document), begin, end, content)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(replaced), 0o644)
}
