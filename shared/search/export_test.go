package search

// Looked returns at how many slots Find has looked in all.
func (m *Memory[T]) Looked() int { return m.looked }
