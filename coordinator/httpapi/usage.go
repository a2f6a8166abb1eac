package httpapi

import (
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
)

// usageDays is how far back usage is shown unless a request asks for other days.
const usageDays = 30

// showUsage lists what keys used: a client's own, every key's for an admin.
func (s *server) showUsage(w http.ResponseWriter, r *http.Request, who account.Caller) {
	query, now := r.URL.Query(), time.Now()
	owner, from, to := query.Get("key"), account.DayOf(now.AddDate(0, 0, -usageDays)), account.DayOf(now)
	var faults []api.Fault
	for field, day := range map[string]*string{"from": &from, "to": &to} {
		if text := query.Get(field); text != "" {
			*day = text
			if _, err := time.Parse(time.DateOnly, text); err != nil {
				faults = append(faults, api.Fault{Field: field, Value: api.Quote(text), Limit: "a day such as 2026-11-21"})
			}
		}
	}
	if !who.Admin() {
		if owner != "" && owner != who.Name {
			s.answer(w, r, nil, api.Errorf(api.CodeForbidden, "key: only an admin sees what other keys used"))
			return
		}
		owner = who.Name
	}
	if err := api.Invalid(faults); err != nil {
		s.answer(w, r, nil, err)
		return
	}
	list, err := s.Ledger.List(r.Context(), owner, from, to)
	s.answer(w, r, map[string][]api.Usage{"usage": list}, err)
}
