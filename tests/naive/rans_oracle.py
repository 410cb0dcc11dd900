"""Range asymmetric numeral systems with Python integers, written from docs/format.md alone."""

TOTAL = 1 << 24


def _zigzag(radius):
    """Values in the order of their symbols: 0, 1, -1, 2, -2 ..."""
    return [0] + [sign * k for k in range(1, radius + 1) for sign in (1, -1)]


def _cumulative(table):
    sums = [0]
    for frequency in table:
        sums.append(sums[-1] + int(frequency))
    assert sums[-1] == TOTAL
    return sums


def _in_coding_order(integers, quantizer):
    """Flat places of the symbols: last table first, in raster order within a table."""
    index = quantizer.table_index.ravel().tolist()
    return sorted(range(len(index)), key=lambda place: (-index[place], place))


def encode(integers, quantizer):
    radius = (quantizer.tables.shape[1] - 1) // 2
    values = _zigzag(radius)
    sums = [_cumulative([table[v + radius] for v in values]) for table in quantizer.tables]
    index = quantizer.table_index.ravel()
    state, words = 1, []
    for place in reversed(_in_coding_order(integers, quantizer)):
        cumulative = sums[index[place]]
        symbol = values.index(int(integers.ravel()[place]))
        low, frequency = cumulative[symbol], cumulative[symbol + 1] - cumulative[symbol]
        if state >= frequency << 40:
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        state = (state // frequency << 24) + low + state % frequency
    while state:
        words.append(state & 0xFFFFFFFF)
        state >>= 32
    return b"".join(word.to_bytes(4, "little") for word in words).rstrip(b"\x00")


def decode(data, quantizer):
    radius = (quantizer.tables.shape[1] - 1) // 2
    values = _zigzag(radius)
    sums = [_cumulative([table[v + radius] for v in values]) for table in quantizer.tables]
    index = quantizer.table_index.ravel()
    data = data + bytes(-len(data) % 4)
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    state = 0
    for _ in range(2):
        if words:
            state = state << 32 | words.pop()
    out = [0] * index.size
    for place in _in_coding_order(None, quantizer):
        cumulative = sums[index[place]]
        slot = state & (TOTAL - 1)
        symbol = next(k for k in range(len(cumulative) - 1) if slot < cumulative[k + 1])
        low, frequency = cumulative[symbol], cumulative[symbol + 1] - cumulative[symbol]
        state = (state >> 24) * frequency + slot - low
        if state < 1 << 32 and words:
            state = state << 32 | words.pop()
        out[place] = values[symbol]
    return out, state == 1 and not words
