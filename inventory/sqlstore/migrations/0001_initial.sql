-- +goose Up
CREATE TABLE document (digest TEXT PRIMARY KEY, kind TEXT NOT NULL, at_ms BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE doc_ref (kind TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (kind, name));

CREATE TABLE rack (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, site TEXT NOT NULL, milestone TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE slot (id TEXT PRIMARY KEY, rack_id TEXT NOT NULL, path TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (rack_id, path));
CREATE TABLE node (id TEXT PRIMARY KEY, rack_id TEXT NOT NULL, address TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, milestone TEXT NOT NULL,
  uuid TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX node_rack ON node(rack_id);
CREATE INDEX node_uuid ON node(uuid);
CREATE TABLE node_mac (mac TEXT PRIMARY KEY, node_id TEXT NOT NULL, source TEXT NOT NULL);
CREATE INDEX node_mac_node ON node_mac(node_id);

CREATE TABLE part (id TEXT PRIMARY KEY, kind TEXT NOT NULL, vendor TEXT NOT NULL, model TEXT NOT NULL, first_ms BIGINT NOT NULL);
CREATE TABLE part_identifier (
  kind TEXT NOT NULL, scope TEXT NOT NULL, norm_value TEXT NOT NULL, part_id TEXT NOT NULL,
  raw_value TEXT NOT NULL, source TEXT NOT NULL, trusted BIGINT NOT NULL, first_ms BIGINT NOT NULL, last_ms BIGINT NOT NULL,
  PRIMARY KEY (kind, scope, norm_value, part_id));
CREATE UNIQUE INDEX part_identifier_trusted ON part_identifier(kind, scope, norm_value) WHERE trusted = 1;
CREATE TABLE install (
  slot_id TEXT NOT NULL, part_id TEXT NOT NULL, rack_id TEXT NOT NULL,
  from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL,
  from_ev BIGINT NOT NULL, to_ev BIGINT, void_ev BIGINT,
  how TEXT NOT NULL, confidence TEXT NOT NULL,
  PRIMARY KEY (slot_id, from_ms, from_ev), CHECK (from_ms < to_ms));
CREATE UNIQUE INDEX install_slot_open ON install(slot_id) WHERE to_ms = 9223372036854775807 AND void_ev IS NULL;
CREATE UNIQUE INDEX install_part_open ON install(part_id) WHERE to_ms = 9223372036854775807 AND void_ev IS NULL;

CREATE TABLE expected_doc (digest TEXT PRIMARY KEY, name TEXT NOT NULL, at_ms BIGINT NOT NULL, by_id TEXT NOT NULL);
CREATE TABLE expected_line (doc TEXT NOT NULL, node_id TEXT NOT NULL, n BIGINT NOT NULL, at_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY (doc, node_id, n));
CREATE INDEX expected_line_node ON expected_line(node_id, to_ms);
CREATE TABLE quarantine (doc TEXT NOT NULL, n BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (doc, n));

CREATE TABLE collection (id TEXT PRIMARY KEY, node_id TEXT NOT NULL, source TEXT NOT NULL, at_ms BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX collection_node ON collection(node_id, source, at_ms);
CREATE TABLE collection_error (collection_id TEXT NOT NULL, n BIGINT NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (collection_id, n));
CREATE TABLE fact (node_id TEXT NOT NULL, source TEXT NOT NULL, part_key TEXT NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL,
  from_rec BIGINT NOT NULL, to_rec BIGINT NOT NULL, hash TEXT NOT NULL, last_ms BIGINT NOT NULL, collection_id TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (node_id, source, part_key, from_ms, from_rec));
CREATE UNIQUE INDEX fact_open ON fact(node_id, source, part_key) WHERE to_ms = 9223372036854775807;
CREATE TABLE finding (id TEXT PRIMARY KEY, rack_id TEXT NOT NULL, node_id TEXT NOT NULL, fingerprint TEXT NOT NULL, kind TEXT NOT NULL,
  owner TEXT NOT NULL, opened_ev BIGINT NOT NULL, closed_ev BIGINT, body TEXT NOT NULL);
CREATE UNIQUE INDEX finding_open ON finding(fingerprint) WHERE closed_ev IS NULL;
CREATE INDEX finding_rack ON finding(rack_id);
CREATE TABLE evidence (id TEXT PRIMARY KEY, subject TEXT NOT NULL, gate TEXT NOT NULL, at_ms BIGINT NOT NULL, void BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX evidence_subject ON evidence(subject, at_ms);
CREATE TABLE waiver (id TEXT PRIMARY KEY, subject TEXT NOT NULL, rack_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX waiver_rack ON waiver(rack_id);
CREATE TABLE blocker (subject TEXT NOT NULL, n BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (subject, n));

CREATE TABLE server (holder TEXT PRIMARY KEY, seen_ms BIGINT NOT NULL);
CREATE TABLE shard (id TEXT PRIMARY KEY, holder TEXT NOT NULL DEFAULT '', token BIGINT NOT NULL DEFAULT 0, lease_ms BIGINT NOT NULL DEFAULT 0);
CREATE TABLE tick (id TEXT PRIMARY KEY, shard_id TEXT NOT NULL, run_id TEXT NOT NULL DEFAULT '', due_ms BIGINT NOT NULL, woken BIGINT NOT NULL DEFAULT 0,
  holder TEXT NOT NULL DEFAULT '', token BIGINT NOT NULL DEFAULT 0, lease_ms BIGINT NOT NULL DEFAULT 0);
CREATE INDEX tick_due ON tick(shard_id, due_ms);
CREATE TABLE scope_lock (scope TEXT PRIMARY KEY, rack_id TEXT NOT NULL, run_id TEXT NOT NULL, state TEXT NOT NULL, taken_ms BIGINT NOT NULL,
  CHECK (state IN ('held','needs-repair')));
CREATE TABLE intent (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, step TEXT NOT NULL, attempt BIGINT NOT NULL, token BIGINT NOT NULL,
  target TEXT NOT NULL, begun_ms BIGINT NOT NULL, ended_ms BIGINT, outcome TEXT NOT NULL, settled BIGINT NOT NULL DEFAULT 0, body TEXT NOT NULL,
  CHECK (outcome IN ('','ok','failed','unknown')), UNIQUE (run_id, step, attempt));
CREATE UNIQUE INDEX intent_unsettled ON intent(target) WHERE settled = 0;
CREATE TABLE run (id TEXT PRIMARY KEY, parent TEXT NOT NULL, subject TEXT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT, body TEXT NOT NULL);
CREATE INDEX run_subject ON run(subject, started_ms);
CREATE TABLE batch (run_id TEXT NOT NULL, from_seq BIGINT NOT NULL, to_seq BIGINT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (run_id, from_seq));
CREATE TABLE request (run_id TEXT PRIMARY KEY, by_id TEXT NOT NULL, idem_key TEXT NOT NULL, content TEXT NOT NULL, at_ms BIGINT NOT NULL, body TEXT NOT NULL,
  UNIQUE (by_id, idem_key));
CREATE TABLE request_line (run_id TEXT NOT NULL, subject TEXT NOT NULL, rack_id TEXT NOT NULL, n BIGINT NOT NULL, result TEXT NOT NULL, detail TEXT NOT NULL,
  PRIMARY KEY (run_id, subject));
CREATE INDEX request_line_subject ON request_line(subject);

CREATE TABLE binding (subnet TEXT NOT NULL, addr TEXT NOT NULL, client TEXT NOT NULL, until_ms BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (subnet, addr));
CREATE UNIQUE INDEX binding_client ON binding(subnet, client) WHERE client <> '';
CREATE TABLE sighting (id TEXT PRIMARY KEY, at_ms BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE boot_line (id TEXT PRIMARY KEY, mac TEXT NOT NULL, at_ms BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX boot_line_mac ON boot_line(mac, at_ms);
CREATE TABLE boot_token (hash TEXT PRIMARY KEY, at_ms BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE bmc_state (endpoint TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE person (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE api_token (hash TEXT PRIMARY KEY, person_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE vault (name TEXT PRIMARY KEY, version BIGINT NOT NULL, body TEXT NOT NULL);

CREATE TABLE event (chain TEXT NOT NULL, seq BIGINT NOT NULL, at_ms BIGINT NOT NULL, client_ms BIGINT NOT NULL, actor TEXT NOT NULL, via TEXT NOT NULL,
  request_id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (chain, seq));
CREATE TABLE chain_head (chain TEXT PRIMARY KEY, seq BIGINT NOT NULL, hash TEXT NOT NULL);
