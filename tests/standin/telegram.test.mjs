/* The stand-in for Telegram, by an official-grade client: grammY takes it for the Bot API. */
import test from "node:test";
import assert from "node:assert/strict";
import { Bot, GrammyError } from "grammy";
import { startTelegram } from "./telegram.mjs";

test("grammY polls, answers, edits, and reads refusals", async (t) => {
	const telegram = await startTelegram();
	t.after(() => telegram.stop());
	const bot = new Bot(telegram.token, { client: { apiRoot: telegram.url } });
	const heard = new Promise((resolve) => {
		bot.on("message:text", async (ctx) => {
			const sent = await ctx.reply(`You said ${ctx.message.text}`);
			await ctx.api.editMessageText(ctx.chat.id, sent.message_id, "Changed");
			resolve(ctx.chat.id);
		});
	});
	const started = bot.start();
	telegram.send(7, { text: "hello" });
	assert.equal(await heard, 7);
	assert.deepEqual(telegram.texts(7), ["Changed"]);
	await assert.rejects(bot.api.sendMessage(7, "x".repeat(4097)), (e) => e instanceof GrammyError && e.error_code === 400);
	const { text, entities } = await bot.api.sendMessage(7, "<b>a &lt; <i>b</i></b>", { parse_mode: "HTML" });
	assert.deepEqual([text, entities], ["a < b", [{ type: "italic", offset: 4, length: 1 }, { type: "bold", offset: 0, length: 5 }]]);
	for (const wrong of ["<b>x", "<b><i>x</b></i>", "<script>x</script>", "x</b>"])
		await assert.rejects(bot.api.sendMessage(7, wrong, { parse_mode: "HTML" }), /can't parse entities/);
	telegram.faults.push({ method: "sendMessage", code: 429, description: "Too Many Requests: retry after 3", parameters: { retry_after: 3 } });
	await assert.rejects(bot.api.sendMessage(7, "x"), (e) => e.error_code === 429 && e.parameters.retry_after === 3);
	await bot.stop();
	await started;
	await assert.rejects(new Bot("42:other", { client: { apiRoot: telegram.url } }).api.getMe(), (e) => e.error_code === 401);
});
