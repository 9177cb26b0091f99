"""SAML 2.0 as a service provider: what is asked, what comes back, and what of it is believed."""
