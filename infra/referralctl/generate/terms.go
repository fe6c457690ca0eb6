package generate

// The tables below are what clinical resources choose from. Codes are SNOMED CT, with AMT for medicines, and LOINC.

var problems = []coding{
	sct("38341003", "Hypertension"), sct("13644009", "Hypercholesterolaemia"), sct("44054006", "Type 2 diabetes mellitus"),
	sct("195967001", "Asthma"), sct("271737000", "Anaemia"), sct("35489007", "Depressive disorder"),
	sct("239873007", "Osteoarthritis of knee"), sct("40930008", "Hypothyroidism"), sct("37796009", "Migraine"),
}

var allergies = []struct {
	substance coding
	category  string
}{
	{sct("764146007", "Penicillin"), "medication"},
	{sct("387406002", "Sulfonamide"), "medication"},
	{sct("227151004", "Prawns"), "food"},
	{sct("102263004", "Eggs (edible)"), "food"},
	{sct("256440004", "Wasp venom"), "environment"},
	{sct("33008008", "Dust"), "environment"},
}

var manifestations = []coding{
	sct("247472004", "Hives"), sct("418363000", "Itching of skin"), sct("422587007", "Nausea"), sct("76067001", "Sneezing"),
}

// medicines without a code are named by text alone, as practice software does with what it cannot match.
var medicines = []struct {
	code         coding
	text, dosage string
}{
	{sct("22784011000036109", "Atorvastatin 20 mg tablet"), "Atorvastatin 20 mg tablet", "One tablet at night"},
	{sct("23281011000036106", "Bisoprolol fumarate 2.5 mg tablet"), "Bisoprolol fumarate 2.5 mg tablet", "One tablet in the morning"},
	{sct("23526011000036102", "Esomeprazole 20 mg enteric tablet"), "Esomeprazole 20 mg enteric tablet", "One tablet before breakfast"},
	{sct("2460011000036108", "perindopril arginine"), "Perindopril arginine 5 mg tablet", "One tablet in the morning"},
	{sct("1792011000036100", "amlodipine"), "Amlodipine 5 mg tablet", "One tablet daily"},
	{sct("23551011000036108", "Amoxicillin 500 mg capsule"), "Amoxicillin 500 mg capsule", "One capsule three times a day for five days"},
	{coding{}, "Metformin 500 mg tablet", "One tablet twice a day with meals"},
	{coding{}, "Salbutamol 100 microgram per dose inhaler", "Two puffs when short of breath, through a spacer"},
	{coding{}, "Paracetamol 500 mg tablet", "Two tablets up to four times a day for pain"},
}

var vitalSigns = []struct {
	profile, code, snomed, display string
	measured                       measured
}{
	{"heartrate", "8867-4", "364075005", "Heart rate", measured{52, 104, 0, "beats/minute", "/min"}},
	{"bodyweight", "29463-7", "27113001", "Body weight", measured{480, 1210, 1, "kg", "kg"}},
	{"bodyheight", "8302-2", "50373000", "Body height", measured{1480, 1960, 1, "cm", "cm"}}, //nolint:misspell // AU Core's name
	{"bodytemp", "8310-5", "386725007", "Body temperature", measured{359, 382, 1, "Cel", "Cel"}},
}

var (
	chemistry   = coding{hl7 + "v2-0074", "CH", "Chemistry"}
	haematology = coding{hl7 + "v2-0074", "HM", "Hematology"}
)

var results = []struct {
	code, display, text string
	discipline          coding
	measured            measured
	low, high           int // the reference range
}{
	{"22748-8", "Cholesterol in LDL [Moles/volume] in Serum or Plasma", "LDL cholesterol", chemistry, measured{14, 52, 1, "mmol/L", "mmol/L"}, 10, 25},
	{"14682-9", "Creatinine [Moles/volume] in Serum or Plasma", "Creatinine", chemistry, measured{48, 210, 0, "umol/L", "umol/L"}, 45, 110},
	{"2823-3", "Potassium [Moles/volume] in Serum or Plasma", "Potassium", chemistry, measured{34, 55, 1, "mmol/L", "mmol/L"}, 35, 52},
	{"4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "HbA1c", chemistry, measured{48, 102, 1, "%", "%"}, 40, 60},
	{"3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "TSH", chemistry, measured{10, 980, 2, "mIU/L", "m[IU]/L"}, 40, 400},
	{"1988-5", "C reactive protein [Mass/Volume] in Serum or Plasma", "CRP", chemistry, measured{1, 86, 0, "mg/L", "mg/L"}, 0, 5},
	{"718-7", "Hemoglobin [Mass/volume] in Blood", "Haemoglobin", haematology, measured{88, 168, 0, "g/L", "g/L"}, 120, 160},
	{"777-3", "Platelets [#/volume] in Blood by Automated count", "Platelets", haematology, measured{120, 460, 0, "10*9/L", "10*9/L"}, 150, 400},
}

var procedures = []coding{
	sct("80146002", "Appendicectomy"), sct("73761001", "Colonoscopy"), sct("40701008", "Echocardiography"),
	sct("399208008", "Plain chest X-ray"), sct("41976001", "Cardiac catheterisation"),
}

var vaccines = []coding{
	sct("1525011000168107", "Comirnaty"), sct("884862121000036103", "Fluquadri 2025"),
}
