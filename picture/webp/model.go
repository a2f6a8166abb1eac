package webp

import "math"

// model is what is known of the coefficients so far: their branches' counts, the probabilities that
// fit them and what each token costs with those.
type model struct {
	prob  [probs]uint8
	count [probs][2]uint32
	// In 1/256 bit, by row/nodes: the token's tree, and the question whether the block goes on.
	token [probs / nodes][len(tokenPath)]int32
	goOn  [probs / nodes][2]int32
}

func newModel() *model {
	m := &model{prob: defaultProb}
	m.price()
	return m
}

// bitCost is the cost in 1/256 bit of a bool that had the probability i/256.
var bitCost = func() (c [257]int32) {
	for i := 1; i < len(c); i++ {
		c[i] = int32(math.Round(-256 * math.Log2(float64(i)/256)))
	}
	return c
}()

func cost(prob, bit uint8) int32 {
	if bit == 0 {
		return bitCost[prob]
	}
	return bitCost[256-int(prob)]
}

func pathCost(prob []uint8, path []branch) (sum int32) {
	for _, b := range path {
		sum += cost(prob[b.node], b.bit)
	}
	return sum
}

// magnitudes has each magnitude's token and the cost of its extra bits and sign.
var magnitudes = func() (t [maxLevel + 1]struct {
	token uint8
	extra int32
}) {
	for i := range t {
		token := tokenOf(i)
		t[i].token = uint8(token)
		extraBits(i, token, func(prob, bit uint8) { t[i].extra += cost(prob, bit) })
	}
	return t
}()

// learn fits the probabilities to the counts, where that saves more than writing it costs
// (RFC 6386 section 13.4), and prices the tokens anew.
func (m *model) learn() {
	for i, n := range m.count {
		m.prob[i] = defaultProb[i]
		if n[0]+n[1] == 0 {
			continue
		}
		fit := fitting(n[0], n[1])
		kept := branchCost(n, defaultProb[i]) + int64(cost(updateProb[i], 0))
		replaced := branchCost(n, fit) + int64(cost(updateProb[i], 1)) + 8*256
		if replaced < kept {
			m.prob[i] = fit
		}
	}
	m.price()
}

// fitting is the probability of a 0 among n0 zeros and n1 ones.
func fitting(n0, n1 uint32) uint8 {
	n := uint64(n0) + uint64(n1)
	return uint8(max(1, min(255, (256*uint64(n0)+n/2)/n)))
}

func branchCost(n [2]uint32, prob uint8) int64 {
	return int64(n[0])*int64(cost(prob, 0)) + int64(n[1])*int64(cost(prob, 1))
}

func (m *model) price() {
	for r := range m.token {
		prob := m.prob[r*nodes:][:nodes]
		for token, path := range tokenPath {
			m.token[r][token] = pathCost(prob, path)
		}
		m.goOn[r] = [2]int32{cost(prob[0], 0), cost(prob[0], 1)}
	}
}

// rate is the cost in 1/256 bit of what record would write.
func (m *model) rate(kind, context, first int, l *levels) (sum int32) {
	end := l.end(first)
	afterZero := false
	for i := first; i < end; i++ {
		r := row(kind, i, context) / nodes
		if !afterZero {
			sum += m.goOn[r][1]
		}
		v := &magnitudes[max(l[i], -l[i])]
		sum += m.token[r][v.token] + v.extra
		context, afterZero = int(min(v.token, 2)), v.token == 0
	}
	if end < 16 {
		sum += m.goOn[row(kind, end, context)/nodes][0]
	}
	return sum
}

// write puts into the header which probabilities differ from the default ones.
func (m *model) write(w *boolWriter) {
	for i, p := range m.prob {
		if p == defaultProb[i] {
			w.bit(updateProb[i], 0)
			continue
		}
		w.bit(updateProb[i], 1)
		w.literal(int(p), 8)
	}
}
