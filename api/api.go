// Package api holds the words of the system: jobs, nodes, the messages between them, and errors.
// Everything that crosses a wire is here, and nothing else; it imports the standard library only.
//
// Wires only grow: a new field is added, an unknown one is ignored, and each addition is one dated
// line in docs/protocol.md.
package api
