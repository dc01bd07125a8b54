package idptest

import "github.com/lakekey/lakekey/internal/browser"

// TypePassword signs the person in at the page that asks for name and password.
func (p *KeycloakProvider) TypePassword(page *browser.Page) {
	complete(page, "#kc-login")
	var again bool // it knows who is there and wants only the password
	page.Eval(`!document.querySelector('#username')`, &again)
	if !again {
		page.Type("#username", p.Person.Name)
	}
	page.Type("#password", p.Person.Password)
	page.Click("#kc-login")
}

// RegisterKey registers the page's key where Keycloak asks for one.
func (p *KeycloakProvider) RegisterKey(page *browser.Page) {
	complete(page, "#registerWebAuthn")
	page.Eval(`window.prompt = (_, label) => label`, nil) // how the key is to be called
	page.Click("#registerWebAuthn")
}

// TouchKey uses the page's key where Keycloak asks for it.
func (p *KeycloakProvider) TouchKey(page *browser.Page) {
	complete(page, "#authenticateWebAuthnButton")
	page.Click("#authenticateWebAuthnButton")
}

// complete waits for a page that has an element, and until its scripts listen.
func complete(page *browser.Page, selector string) {
	page.WaitFor(selector, "")
	page.Eval(`new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))`, nil)
}
