package generate

// specialty is what a referral to one kind of clinic is about. Codes are SNOMED CT.
type specialty struct {
	name      string
	clinic    string
	service   coding // ServiceRequest.code
	specialty coding // PractitionerRole.specialty, Organization.type
	role      coding // PractitionerRole.code
	prefix    string // of the practitioner's name
	reasons   []reason
}

// reason is why somebody is referred; text reads on from "referred for".
type reason struct {
	code, display, text string
}

func sct(code, display string) coding { return coding{snomed, code, display} }

// Specialties returns the names that Options.Specialty takes.
func Specialties() []string {
	names := make([]string, len(specialties))
	for i := range specialties {
		names[i] = specialties[i].name
	}
	return names
}

func findSpecialty(name string) *specialty {
	for i := range specialties {
		if specialties[i].name == name {
			return &specialties[i]
		}
	}
	return nil
}

var specialties = [...]specialty{
	{
		"cardiology", "Cardiology Clinic", sct("183519002", "Referral to cardiology service"),
		sct("394579002", "Cardiology"), sct("17561000", "Cardiologist"), "Dr",
		[]reason{
			{"29857009", "Chest pain", "chest tightness on exertion for six weeks, relieved by rest"},
			{"80313002", "Palpitations", "palpitations twice a week with light-headedness"},
			{"49436004", "Atrial fibrillation", "newly found atrial fibrillation, rate controlled"},
		},
	},
	{
		"dermatology", "Dermatology Rooms", sct("308472003", "Referral to dermatologist"),
		sct("394582007", "Dermatology"), sct("18803008", "Dermatologist"), "Dr",
		[]reason{
			{"9014002", "Psoriasis", "plaque psoriasis of elbows and knees in spite of topical treatment"},
			{"43116000", "Eczema", "widespread eczema with broken sleep"},
			{"11381005", "Acne", "acne that scars in spite of a year of treatment"},
		},
	},
	{
		"endocrinology", "Diabetes and Endocrine Centre", sct("306118006", "Referral to endocrinology service"),
		sct("394583002", "Endocrinology"), sct("61894003", "Endocrinologist"), "Dr",
		[]reason{
			{"44054006", "Type 2 diabetes mellitus", "type 2 diabetes above target on two agents"},
			{"40930008", "Hypothyroidism", "hypothyroidism with swinging results on a stable dose"},
			{"11687002", "Gestational diabetes mellitus", "diabetes in pregnancy, for planning of care"},
		},
	},
	{
		"gastroenterology", "Gastroenterology Unit", sct("183523005", "Referral to gastroenterology service"),
		sct("394584008", "Gastroenterology"), sct("71838004", "Gastroenterologist"), "Dr",
		[]reason{
			{"87522002", "Iron deficiency anaemia", "iron deficiency without an explanation"},
			{"235595009", "Gastro-oesophageal reflux disease", "reflux that returns whenever treatment stops"},
			{"21522001", "Abdominal pain", "recurring abdominal pain and bloating"},
		},
	},
	{
		"nephrology", "Kidney Health Service", sct("306286007", "Referral to nephrologist"),
		sct("394589003", "Nephrology"), sct("11911009", "Nephrologist"), "Dr",
		[]reason{
			{"709044004", "Chronic kidney disease", "kidney function falling over twelve months"},
			{"38341003", "Hypertension", "hypertension on three agents with protein in the urine"},
		},
	},
	{
		"neurology", "Neurology Clinic", sct("308474002", "Referral to neurologist"),
		sct("394591006", "Neurology"), sct("56397003", "Neurologist"), "Dr",
		[]reason{
			{"37796009", "Migraine", "migraine on ten days a month in spite of prevention"},
			{"84757009", "Epilepsy", "a first seizure, now well"},
			{"26079004", "Tremor", "a tremor of the right hand at rest"},
		},
	},
	{
		"ophthalmology", "Eye Centre", sct("308479007", "Referral to ophthalmologist"),
		sct("394594003", "Ophthalmology"), sct("422234006", "Ophthalmologist"), "Dr",
		[]reason{
			{"193570009", "Cataract", "a cataract that no longer allows driving at night"},
			{"23986001", "Glaucoma", "raised pressures in both eyes"},
			{"4855003", "Diabetic retinopathy", "diabetic changes found at screening"},
		},
	},
	{
		"orthopaedics", "Orthopaedic Outpatients", sct("183545006", "Referral to orthopaedic service"),
		sct("394801008", "Trauma and orthopaedics"), sct("22731001", "Orthopaedic surgeon"), "Dr",
		[]reason{
			{"239873007", "Osteoarthritis of knee", "knee pain that wakes at night after a year of exercise"},
			{"57406009", "Carpal tunnel syndrome", "numb hands with weakness of the thumb"},
			{"8799007", "Posterior heel pain", "heel pain that has not settled with physiotherapy"},
		},
	},
	{
		"physiotherapy", "Physiotherapy and Movement", sct("306170007", "Referral to physiotherapy service"),
		sct("722138006", "Physiotherapy"), sct("36682004", "Physiotherapist"), "Ms",
		[]reason{
			{"279039007", "Low back pain", "low back pain for three months, no red flags"},
			{"45326000", "Shoulder pain", "a stiff shoulder after a fall"},
		},
	},
	{
		"psychiatry", "Community Mental Health", sct("183524004", "Referral to psychiatry service"),
		sct("394587001", "Psychiatry"), sct("80584001", "Psychiatrist"), "Dr",
		[]reason{
			{"35489007", "Depressive disorder", "low mood that has not lifted on a first treatment"},
			{"197480006", "Anxiety disorder", "anxiety that keeps the patient from work"},
		},
	},
	{
		"respiratory", "Lung Health Clinic", sct("306275005", "Referral to respiratory physician"),
		sct("418112009", "Pulmonary medicine"), sct("41672002", "Respiratory physician"), "Dr",
		[]reason{
			{"195967001", "Asthma", "asthma with three courses of steroids this year"},
			{"13645005", "Chronic obstructive pulmonary disease", "breathlessness on one flight of stairs"},
			{"78275009", "Obstructive sleep apnoea", "snoring with witnessed pauses"},
		},
	},
	{
		"dietetics", "Nutrition and Dietetics", sct("306163007", "Referral to dietetics service"),
		sct("722164000", "Dietetics and nutrition"), sct("159033005", "Dietitian"), "Mr",
		[]reason{
			{"44054006", "Type 2 diabetes mellitus", "help with meals after a new diagnosis of diabetes"},
			{"782415009", "Intolerance to lactose", "a diet without lactose that keeps bones strong"},
		},
	},
}
