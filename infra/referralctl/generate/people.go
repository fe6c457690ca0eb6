package generate

import "time"

// person is somebody invented.
type person struct {
	family, given, second string
	gender                string
	birth                 time.Time
}

func (p person) display(prefix string) string { return prefix + " " + p.given + " " + p.family }

// adult returns a person of 20 to 90 years at the time of the referral.
func (g *Generator) adult() person {
	p := person{gender: pick(g, genders), family: pick(g, families)}
	given := givenNames[p.gender]
	p.given, p.second = pick(g, given), pick(g, given)
	p.birth = time.Date(g.between(1936, 2005), time.Month(g.between(1, 12)), g.between(1, 28), 0, 0, 0, 0, time.UTC)
	return p
}

func (p person) name(prefix ...string) humanName {
	return humanName{Use: "official", Family: p.family, Given: []string{p.given, p.second}, Prefix: prefix}
}

// town is an invented place.
type town struct {
	name, state, postcode, area string
}

func (g *Generator) address(use, kind string, at town) address {
	return address{
		Use: use, Type: kind, Line: []string{string(g.digits([]byte{byte('1' + g.rand.IntN(9))}, 1)) + " " + pick(g, streets)},
		City: at.name, State: at.state, PostalCode: at.postcode, Country: "AU",
	}
}

var (
	genders    = []string{"female", "male"}
	givenNames = map[string][]string{
		"female": {"Odette", "Imogen", "Marigold", "Thuý", "Zoë", "Anneke", "Priya", "Renée", "Merindah", "Siobhán", "Yuki", "Clementine"},
		"male":   {"Lucian", "Bartholomew", "Jarrah", "Søren", "Rafael", "Ambrose", "Vikram", "Tomasz", "Étienne", "Kofi", "Hamish", "Ignatius"},
	}
	families = []string{
		"Quillfeather", "Tallowood", "Merrivale", "Banksiadale", "Wattlebird", "Nguyễn-Reed", "O'Ferngully", "Brightwater",
		"Gumleaf", "van der Bloem", "Saltbush", "Kurrajong", "Müllerton", "Honeyeater", "Pandanus", "Warrigal-Jones",
		"Driftwood", "Lorikeet", "Ironbark", "Castañeda-Hill", "Fernshaw", "Cassowary", "Żurawski-Moss", "Bottlebrush",
	}
	streets = []string{"Paperbark Lane", "Grevillea Street", "Harbour Road", "Bandicoot Parade", "Old Mill Track", "Sugarglider Way", "Station Street", "Waratah Avenue"}
	towns   = []town{
		{"Tallow Creek", "NSW", "2999", "02"}, {"Correa Bay", "NSW", "2998", "02"}, {"Mount Bettong", "VIC", "3998", "03"},
		{"Quoll Flat", "VIC", "3997", "03"}, {"Pademelon Point", "QLD", "4999", "07"}, {"Ibis Landing", "QLD", "4998", "07"},
		{"Wombat Gully", "TAS", "7499", "03"}, {"Galah Heights", "ACT", "2699", "02"},
	}
	practices = []string{"Street Medical Practice", "Family Practice", "General Practice", "Medical Centre", "Aboriginal Health Service"}
	hospitals = []string{"Hospital", "Community Health Centre", "Day Hospital", "Private Hospital"}
)
