-- What each role may do: tables and columns here, functions beside their definitions
-- (sql/functions). `millracectl migrate` applies this first of the set, so it begins by taking
-- everything back: what stands here and there is all there is.

-- What PostgreSQL gives everybody unless told otherwise. The owner's functions to come are nobody
-- else's until they are granted.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
DO $$ BEGIN
	EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, millrace_api, millrace_stream, millrace_runner', current_database());
	EXECUTE format('GRANT CONNECT ON DATABASE %I TO millrace_api, millrace_stream, millrace_runner', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC, millrace_api, millrace_stream, millrace_runner;
GRANT USAGE ON SCHEMA public TO millrace_api, millrace_stream, millrace_runner;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, millrace_api, millrace_stream, millrace_runner;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, millrace_api, millrace_stream, millrace_runner;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, millrace_api, millrace_stream, millrace_runner;

GRANT SELECT ON migration, function_set TO millrace_api, millrace_stream, millrace_runner;
GRANT SELECT, UPDATE (display_name, timezone, assistant_name, interests, updated_at) ON app_user TO millrace_api;
GRANT SELECT ON app_user TO millrace_runner;
GRANT SELECT, INSERT, UPDATE ON idempotency TO millrace_api;
GRANT SELECT ON process TO millrace_api, millrace_runner;
GRANT SELECT ON role_seen TO millrace_api;
GRANT SELECT, DELETE ON role_seen TO millrace_runner;
GRANT SELECT, UPDATE (revoked_at) ON session TO millrace_api;
GRANT SELECT ON session_live TO millrace_api;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_key TO millrace_api;
GRANT SELECT (id, email, created_at, user_id, used_at) ON invitation TO millrace_api;
GRANT SELECT ON external_identity TO millrace_api, millrace_runner;
GRANT SELECT, INSERT ON token_denied TO millrace_api;
GRANT SELECT, DELETE ON token_denied TO millrace_runner;
GRANT SELECT ON jwks TO millrace_api, millrace_stream;
GRANT SELECT, INSERT, UPDATE, DELETE ON jwks, jwks_source TO millrace_runner;
GRANT SELECT ON topic TO millrace_stream;
GRANT SELECT ON topic TO millrace_runner;
GRANT SELECT ON stream_event TO millrace_stream, millrace_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON topic_owner TO millrace_api, millrace_runner;
GRANT SELECT, INSERT, UPDATE (cancel_requested_at) ON run TO millrace_api;
GRANT SELECT, UPDATE ON run TO millrace_runner;
GRANT SELECT, INSERT ON job TO millrace_api;
GRANT SELECT, UPDATE ON job TO millrace_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON blob, blob_chunk TO millrace_api, millrace_runner;
GRANT SELECT ON storage TO millrace_api, millrace_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON document TO millrace_api, millrace_runner;
GRANT SELECT ON chunk TO millrace_api;
GRANT SELECT, INSERT, UPDATE (words), DELETE ON chunk TO millrace_runner;
GRANT SELECT ON passage_word TO millrace_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON conversation TO millrace_api;
GRANT SELECT, UPDATE ON conversation TO millrace_runner;
GRANT SELECT, INSERT ON message TO millrace_api;
GRANT SELECT, INSERT ON message TO millrace_runner;
GRANT SELECT, INSERT, UPDATE ON chatbot TO millrace_api;
GRANT SELECT ON chatbot TO millrace_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON integration TO millrace_api;
GRANT SELECT (integration_id, owner_id, team_id, team, bot_user_id, has_signing) ON slack_bot TO millrace_api;
GRANT SELECT, UPDATE (holds, sealed, key_id) ON slack_bot TO millrace_runner;
GRANT SELECT ON integration TO millrace_runner;
GRANT SELECT, DELETE ON telegram_link TO millrace_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON telegram_code TO millrace_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON chatbot_document TO millrace_api;
GRANT SELECT ON chatbot_document TO millrace_runner;
GRANT SELECT ON message_feedback TO millrace_api;
GRANT SELECT (message_id, rating) ON message_feedback TO millrace_runner;
GRANT SELECT ON artifact TO millrace_api;
GRANT SELECT, INSERT ON artifact TO millrace_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON chat_round TO millrace_runner;
GRANT SELECT ON provider_price TO millrace_api, millrace_runner;
GRANT SELECT ON gateway_provider TO millrace_api;
GRANT SELECT ON usage_event TO millrace_api;
GRANT SELECT, INSERT ON usage_event TO millrace_runner;
GRANT SELECT, INSERT ON model_failure TO millrace_runner;
GRANT SELECT ON usage_total, usage_counted TO millrace_api;
GRANT SELECT (id, public_key, created_at, retired_at) ON vault_key TO millrace_api;
GRANT SELECT ON vault_key TO millrace_runner;
GRANT SELECT (id, owner_id, key, key_id, masked, created_at, updated_at, last_used_at), DELETE ON secret TO millrace_api;
GRANT SELECT, UPDATE (sealed, key_id, last_used_at) ON secret TO millrace_runner;
GRANT SELECT (id, user_id, provider, subject, scope, expires_at, failed_at, created_at, refreshed_at) ON oauth_token TO millrace_api;
-- `key_id` for the count by key; `sealed` for the runner alone.
GRANT SELECT ON oauth_token TO millrace_runner;
GRANT SELECT, INSERT, UPDATE ON user_settings TO millrace_api;
GRANT SELECT, UPDATE (read), DELETE ON notification TO millrace_api;
GRANT SELECT, INSERT ON notification TO millrace_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON lead TO millrace_api, millrace_runner;
GRANT SELECT, INSERT ON workflow_run TO millrace_api;
GRANT SELECT ON workflow_step TO millrace_api;
GRANT SELECT, UPDATE ON workflow_run TO millrace_runner;
GRANT SELECT, INSERT, UPDATE ON workflow_step TO millrace_runner;
GRANT SELECT ON lead_analysis TO millrace_api;
GRANT SELECT, INSERT ON lead_analysis TO millrace_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON agent, agent_process, datasource, workflow, mcp_server TO millrace_api;
GRANT SELECT, UPDATE (tools, revision, problem, listed_at, list_after) ON mcp_server TO millrace_runner;
GRANT SELECT ON export_section TO millrace_api;
GRANT SELECT ON audit_log, audit_entry TO millrace_api;
GRANT SELECT ON service_user, project, charge, ledger_entry, ledger_note, approval TO millrace_api;
GRANT SELECT ON payment TO millrace_api;
GRANT SELECT ON chain_transaction TO millrace_runner;
GRANT SELECT, DELETE ON pricing_package, pricing_campaign TO millrace_api;
GRANT SELECT ON user_subscription, stripe_customer, stripe_payment TO millrace_api;
