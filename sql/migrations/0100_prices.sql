-- The price list, by the million tokens: each row with the page that it is of and the day of that
-- page. What an administrator has set stays. Not in it: dearer prices of long prompts, of priority
-- and of regions, cheaper ones of batches. Units are images, or seconds of sound.
INSERT INTO provider_price (provider, model, input_usd, cached_usd, cache_write_usd, output_usd, unit_usd, source, as_of, valid_from)
SELECT v.provider, v.model, v.input, v.cached, v.written, v.output, v.unit, s.page, s.as_of::date, v.valid_from::timestamptz FROM (VALUES
	('openai', 'gpt-5', 1.25, 0.125, NULL, 10, NULL, '2026-11-01'),
	('openai', 'gpt-5-mini', 0.25, 0.025, NULL, 2, NULL, '2026-11-01'),
	('openai', 'gpt-5-nano', 0.05, 0.005, NULL, 0.40, NULL, '2026-11-01'),
	('openai', 'gpt-5.4', 2.50, 0.25, NULL, 15, NULL, '2026-11-01'),
	('openai', 'gpt-5.4-mini', 0.75, 0.075, NULL, 4.50, NULL, '2026-11-01'),
	('openai', 'gpt-5.4-nano', 0.20, 0.02, NULL, 1.25, NULL, '2026-11-01'),
	('openai', 'gpt-5.5', 5, 0.50, NULL, 30, NULL, '2026-11-01'),
	('openai', 'gpt-5.5-pro', 30, NULL, NULL, 180, NULL, '2026-11-01'),
	('openai', 'whisper-1', 0, NULL, NULL, 0, 0.0001, '2026-11-01'),
	('anthropic', 'claude-opus-5-5', 4, 0.20, 5, 20, NULL, '2026-11-01'),
	('anthropic', 'claude-opus-5', 5, 0.50, 6.25, 25, NULL, '2026-11-01'),
	('anthropic', 'claude-opus-4-8', 5, 0.50, 6.25, 25, NULL, '2026-11-01'),
	('anthropic', 'claude-opus-4-7', 5, 0.50, 6.25, 25, NULL, '2026-11-01'),
	('anthropic', 'claude-opus-4-6', 5, 0.50, 6.25, 25, NULL, '2026-11-01'),
	('anthropic', 'claude-opus-4-5', 5, 0.50, 6.25, 25, NULL, '2026-11-01'),
	('anthropic', 'claude-opus-4-1', 15, 1.50, 18.75, 75, NULL, '2026-11-01'),
	('anthropic', 'claude-sonnet-5-5', 2, 0.10, 2.50, 10, NULL, '2026-11-01'),
	('anthropic', 'claude-sonnet-5', 2, 0.20, 2.50, 10, NULL, '2026-11-01'),
	('anthropic', 'claude-sonnet-4-6', 3, 0.30, 3.75, 15, NULL, '2026-11-01'),
	('anthropic', 'claude-sonnet-4-5', 3, 0.30, 3.75, 15, NULL, '2026-11-01'),
	('anthropic', 'claude-sonnet-4', 3, 0.30, 3.75, 15, NULL, '2026-11-01'),
	('anthropic', 'claude-haiku-5-5', 0.10, 0.01, 0.125, 0.50, NULL, '2026-11-01'),
	('anthropic', 'claude-haiku-4-5', 1, 0.10, 1.25, 5, NULL, '2026-11-01'),
	('anthropic', 'claude-3-5-haiku', 0.80, 0.08, 1, 4, NULL, '2026-11-01'),
	('anthropic', 'claude-3-haiku', 0.25, 0.03, 0.30, 1.25, NULL, '2026-11-01'),
	('google', 'gemini-3.8-flash', 0.75, 0.075, NULL, 3.75, NULL, '2026-11-01'),
	('google', 'gemini-3.8-flash', 1.50, 0.15, NULL, 7.50, NULL, '2027-01-01'),
	('google', 'gemini-3.6-flash', 0.75, 0.075, NULL, 3.75, NULL, '2026-11-01'),
	('google', 'gemini-3.6-flash', 1.50, 0.15, NULL, 7.50, NULL, '2027-01-01'),
	('google', 'gemini-2.5-pro', 1.25, 0.125, NULL, 10, NULL, '2026-11-01'),
	('google', 'gemini-2.5-flash', 0.30, 0.03, NULL, 2.50, NULL, '2026-11-01')
) AS v (provider, model, input, cached, written, output, unit, valid_from)
JOIN (VALUES
	('openai', 'https://developers.openai.com/api/docs/pricing', '2026-05-04'),
	('anthropic', 'https://platform.claude.com/docs/en/about-claude/pricing', '2026-10-24'),
	('google', 'https://ai.google.dev/gemini-api/docs/pricing', '2026-10-07')
) AS s (provider, page, as_of) USING (provider)
WHERE NOT EXISTS (SELECT FROM provider_price p WHERE p.provider = v.provider AND p.model = v.model AND p.valid_from > '2025-01-01');
