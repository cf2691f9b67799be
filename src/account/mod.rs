//! Users, domains, aliases, credentials and quotas, kept in the store's directory.
