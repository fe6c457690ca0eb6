package referral

// Claim returns the digest that id names without asking who it was minted for: what somebody says, not what is
// proved. It serves to find a submission, whose organisation then tells whether Verify accepts the id. The error is
// ErrNotGenuine for what cannot be an id at all.
func Claim(id string) (Digest, error) {
	raw, err := encoding.DecodeString(id)
	if err != nil || len(id) != idLength || encoding.EncodeToString(raw) != id || raw[0] != idVersion {
		return Digest{}, ErrNotGenuine
	}
	return Digest(raw[8:rawBytes]), nil
}
