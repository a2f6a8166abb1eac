package picture

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"hash/crc32"
	"strconv"

	"github.com/easelgrid/easel/api"
)

// parameter is one fact in a file about how it was made.
type parameter struct{ keyword, value string }

// parameters are how image index of the spec was made.
func parameters(spec api.ImageSpec, index int, info api.Runtime) []parameter {
	spec.Seed, spec.N = spec.Seed+int64(index), 1
	body, err := json.Marshal(spec)
	if err != nil { // a spec that passed Faults holds no NaN
		panic(err)
	}
	return []parameter{
		{"Software", "easel " + info.Name + " " + info.Version},
		{"Title", spec.Prompt},
		{"Seed", strconv.FormatInt(spec.Seed, 10)},
		{"easel", string(body)},
	}
}

// pngHead is the length of a PNG file's signature and IHDR chunk, which comes first.
const pngHead = 8 + 25

// describePNG puts the parameters into a PNG file as iTXt chunks (PNG third edition, section 11.3.3.4:
// uncompressed UTF-8), right behind the header.
func describePNG(file []byte, all []parameter) ([]byte, error) {
	if len(file) < pngHead {
		return nil, errors.New("a PNG file without a header")
	}
	out := append([]byte(nil), file[:pngHead]...)
	for _, p := range all {
		data := append([]byte("iTXt"+p.keyword), 0, 0, 0, 0, 0)
		data = append(data, p.value...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)-4))
		out = append(out, data...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
	}
	return append(out, file[pngHead:]...), nil
}

// maxComment is the most bytes a JPEG segment holds besides its length.
const maxComment = 1<<16 - 1 - 2

// describeJPEG puts the parameters into a JPEG file as one comment segment (ITU T.81, section B.2.4.5)
// of JSON, right behind the start of the image. What does not fit is left out.
func describeJPEG(file []byte, all []parameter) ([]byte, error) {
	values := map[string]string{}
	for _, p := range all {
		values[p.keyword] = p.value
	}
	body, err := json.Marshal(values)
	if err != nil || len(body) > maxComment {
		return file, err
	}
	out := append([]byte(nil), file[:2]...)
	out = append(out, 0xff, 0xfe)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
	out = append(out, body...)
	return append(out, file[2:]...), nil
}

// describeXMP writes the parameters as an XMP packet (ISO 16684-1, section 7), one property each.
func describeXMP(all []parameter) []byte {
	var b bytes.Buffer
	b.WriteString(`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<rdf:Description rdf:about="" xmlns:easel="https://github.com/easelgrid/easel/ns/1/">`)
	for _, p := range all {
		b.WriteString("<easel:" + p.keyword + ">")
		_ = xml.EscapeText(&b, []byte(p.value)) // writing to a buffer cannot fail
		b.WriteString("</easel:" + p.keyword + ">")
	}
	b.WriteString("</rdf:Description></rdf:RDF></x:xmpmeta>")
	return b.Bytes()
}
