-- Prices of OpenAI's older models, by the million tokens, which servers of its format still have;
-- each with its page, of which no day is told.
INSERT INTO provider_price (provider, model, input_usd, output_usd, source, valid_from)
SELECT 'openai', v.model, v.input, v.output, 'https://developers.openai.com/api/docs/models/' || v.model, '2026-11-01' FROM (VALUES
	('gpt-4', 30, 60),
	('gpt-4-turbo', 10, 30),
	('gpt-3.5-turbo', 0.50, 1.50)
) AS v (model, input, output)
WHERE NOT EXISTS (SELECT FROM provider_price p WHERE p.provider = 'openai' AND p.model = v.model);
