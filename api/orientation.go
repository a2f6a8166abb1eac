package api

import (
	"bytes"
	"encoding/binary"
)

// Orientation reads how a JPEG file is to be turned before it is looked at, as cameras and phones note it
// (Exif 3.0, tag 274): 1 is as it is, 2 to 4 mirror or turn upside down, 5 to 8 also swap the sides. Anything
// without one is 1.
func Orientation(file []byte) int {
	if !bytes.HasPrefix(file, []byte{0xff, 0xd8}) {
		return 1
	}
	for rest := file[2:]; len(rest) >= 4 && rest[0] == 0xff; {
		kind, size := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if kind == 0xff { // a fill byte
			rest = rest[1:]
			continue
		}
		if kind == 0xda || size < 2 || 2+size > len(rest) { // the picture itself
			return 1
		}
		if tiff, ok := bytes.CutPrefix(rest[4:2+size], []byte("Exif\x00\x00")); ok && kind == 0xe1 {
			return tiffOrientation(tiff)
		}
		rest = rest[2+size:]
	}
	return 1
}

// tiffOrientation looks through the first directory (TIFF 6.0, section 2).
func tiffOrientation(tiff []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	if bytes.HasPrefix(tiff, []byte("MM")) {
		order = binary.BigEndian
	}
	if len(tiff) < 8 || order.Uint16(tiff[2:]) != 42 {
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 1
		}
		const tag, short = 274, 3
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}
