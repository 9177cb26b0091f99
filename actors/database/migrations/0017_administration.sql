-- What administrators change while it runs: settings of platforms, who has taken which version of
-- them, and roles given to persons.

CREATE TABLE platform_settings (
  version INTEGER NOT NULL,
  platform TEXT,
  restored INTEGER,
  changes JSON NOT NULL,
  diff JSON NOT NULL,
  tenant TEXT NOT NULL,
  author TEXT NOT NULL,
  request TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (version)
);

CREATE TABLE settings_taken (
  process TEXT NOT NULL,
  role TEXT NOT NULL,
  version INTEGER NOT NULL,
  detail TEXT NOT NULL,
  seen_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (process)
);

CREATE INDEX settings_taken_by_time ON settings_taken (seen_at);

CREATE TABLE role_assignment (
  tenant TEXT NOT NULL,
  subject TEXT NOT NULL,
  roles JSON NOT NULL,
  author TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, subject)
);

-- Who was behind a call that waits for a human: for a key, the person who made it.
ALTER TABLE tool_approval ADD COLUMN person TEXT;
