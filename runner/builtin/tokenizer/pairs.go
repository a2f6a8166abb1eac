package tokenizer

import "container/heap"

// endOfWord marks a word's last symbol.
const endOfWord = "</w>"

// candidate is a merge that may be done: of the symbol at left and the one behind it.
type candidate struct {
	rank, left, id int
	a, b           int // the ids that it was made for; other ones by now make it stale
}

// queue orders candidates by rank, then from left to right.
type queue []candidate

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].rank != q[j].rank {
		return q[i].rank < q[j].rank
	}
	return q[i].left < q[j].left
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(candidate)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// chain is a word's symbols as a doubly linked list over arrays; a merged symbol has the id -1.
type chain struct {
	ids, prev, next []int
}

// pairs encodes one word. A queue keeps it fast for words of any length.
func (t *Tokenizer) pairs(word string) []int {
	c := t.symbolsOf(word)
	var q queue
	for i := range c.ids {
		q = t.offer(q, c, i)
	}
	heap.Init(&q)
	for q.Len() > 0 {
		best := heap.Pop(&q).(candidate)
		right := c.next[best.left]
		if c.ids[best.left] != best.a || right < 0 || c.ids[right] != best.b {
			continue
		}
		c.join(best.left, right, best.id)
		for _, left := range []int{c.prev[best.left], best.left} {
			if more := t.offer(nil, c, left); more != nil {
				heap.Push(&q, more[0])
			}
		}
	}
	var ids []int
	for i := 0; i >= 0; i = c.next[i] {
		ids = append(ids, c.ids[i])
	}
	return ids
}

// symbolsOf makes one symbol per byte. A symbol outside of the vocabulary becomes the unknown token.
func (t *Tokenizer) symbolsOf(word string) *chain {
	n := len(word)
	c := &chain{make([]int, n), make([]int, n), make([]int, n)}
	for i := range n {
		symbol := t.symbols[word[i]]
		if i == n-1 {
			symbol += endOfWord
		}
		id, ok := t.vocabulary[symbol]
		if !ok {
			id = t.unknown
		}
		c.ids[i], c.prev[i], c.next[i] = id, i-1, i+1
	}
	c.next[n-1] = -1
	return c
}

// offer appends the merge of the symbol at left and the one behind it, if there is such a merge.
func (t *Tokenizer) offer(q queue, c *chain, left int) queue {
	if left < 0 || c.next[left] < 0 {
		return q
	}
	a, b := c.ids[left], c.ids[c.next[left]]
	m, ok := t.merges[[2]int{a, b}]
	if !ok {
		return q
	}
	return append(q, candidate{rank: m.rank, left: left, id: m.id, a: a, b: b})
}

// join puts id in the place of left and right.
func (c *chain) join(left, right, id int) {
	c.ids[left], c.ids[right] = id, -1
	c.next[left] = c.next[right]
	if after := c.next[right]; after >= 0 {
		c.prev[after] = left
	}
}
