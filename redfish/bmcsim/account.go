package bmcsim

import (
	"fmt"
	"net/http"
	"time"
)

// patchAccount changes an account; ok false: reply says why nothing was changed.
// The caller holds the lock.
func (b *BMC) patchAccount(name string, in object) (reply, bool) {
	a := b.accounts[name]
	if a == nil {
		return notFound(accounts + "/" + name), false
	}
	for _, key := range sorted(in) {
		switch key {
		case "Password":
			if out, ok := b.checkPassword(a, in[key]); !ok {
				return out, false
			}
		case "Locked":
			if locked, ok := in[key].(bool); !ok || locked {
				return badValue(key, fmt.Sprint(in[key])), false
			}
		default:
			return readOnly(key), false
		}
	}
	if password, ok := in["Password"].(string); ok {
		a.password, a.mustChange = password, false
		b.count.PasswordChanges++
		b.tree.set(accounts+"/"+name, object{"PasswordChangeRequired": false})
	}
	if _, ok := in["Locked"]; ok {
		a.fails, a.lockedUntil = 0, time.Time{}
	}
	b.tree.set(accounts+"/"+name, object{"Locked": time.Now().Before(a.lockedUntil)})
	return reply{}, true
}

// checkPassword is the rule of AccountService: length, and a factory password may not stay.
func (b *BMC) checkPassword(a *account, v any) (reply, bool) {
	s, ok := v.(string)
	rules := b.spec.Access
	switch {
	case !ok:
		return badValue("Password", "of another type"), false
	case len(s) < rules.MinPassword || rules.MaxPassword > 0 && len(s) > rules.MaxPassword:
		return failure(http.StatusBadRequest, "Base.1.18.PropertyValueFormatError",
			fmt.Sprintf("The value for the property Password is of a different format than the property can accept: %d to %d characters.", rules.MinPassword, rules.MaxPassword), "******", "Password"), false
	case a.mustChange && s == a.password:
		return failure(http.StatusBadRequest, "Base.1.18.PropertyValueIncorrect", "The new password must differ from the one that has to be changed.", "Password", "******"), false
	}
	return reply{}, true
}

// lockRules takes over a PATCH of the AccountService. The caller holds the lock.
func (b *BMC) lockRules(in object) {
	if n, ok := in["AccountLockoutThreshold"].(float64); ok {
		b.spec.Access.LockThreshold = int(n)
	}
	if n, ok := in["AccountLockoutDuration"].(float64); ok {
		b.spec.Access.LockDuration = time.Duration(n) * time.Second
	}
}
