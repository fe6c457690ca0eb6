package localsqs

import (
	"encoding/base64"
	"encoding/binary"
)

// receipt is what a receipt handle names: one receive of one message. The lease is a random number drawn
// with every receive, so that an old handle has no power over a later one. The message id guards against
// a seq that was used again, by a database made anew.
type receipt struct {
	seq       int64
	messageID id
	lease     int64
}

const receiptSize = 8 + 16 + 8

func (r receipt) handle() string {
	b := make([]byte, 0, receiptSize)
	b = binary.BigEndian.AppendUint64(b, uint64(r.seq))
	b = append(b, r.messageID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.lease))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseReceipt(handle string) (receipt, error) {
	b, err := base64.RawURLEncoding.DecodeString(handle)
	if err != nil || len(b) != receiptSize {
		return receipt{}, errReceiptHandleIsInvalid()
	}
	return receipt{
		seq:       int64(binary.BigEndian.Uint64(b)),
		messageID: id(b[8:24]),
		lease:     int64(binary.BigEndian.Uint64(b[24:])),
	}, nil
}

// receipts are handles as arguments of one statement.
type receipts struct {
	seqs       []int64
	messageIDs []id
	leases     []int64
}

func (rs *receipts) add(r receipt) {
	rs.seqs = append(rs.seqs, r.seq)
	rs.messageIDs = append(rs.messageIDs, r.messageID)
	rs.leases = append(rs.leases, r.lease)
}
