-- What a conversation's answers did with tools, so that the next answer knows.

CREATE TABLE tool_turn (
  tenant TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  answer_id TEXT NOT NULL,
  calls JSON NOT NULL,
  tainted BOOLEAN NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, conversation_id, answer_id),
  FOREIGN KEY(tenant, conversation_id) REFERENCES conversation (tenant, id) ON DELETE CASCADE
);
