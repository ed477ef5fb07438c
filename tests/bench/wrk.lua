-- Each thread sends GET to one path, or POST with the JSON that is given, with the tokens of a file in turn; the result is one line of JSON.
-- wrk … -s wrk.lua URL -- TOKENS-FILE PATH [JSON] (an empty TOKENS-FILE: no token)
local threads = 0

function setup(thread)
	thread:set("place", threads)
	threads = threads + 1
end

function init(args)
	ready = {}
	local path, body = args[2], args[3]
	local method, headers = body and "POST" or "GET", { ["Content-Type"] = body and "application/json" }
	if args[1] == "" then
		ready[1] = wrk.format(method, path, headers, body)
	else
		for token in io.lines(args[1]) do
			headers["Authorization"] = "Bearer " .. token
			ready[#ready + 1] = wrk.format(method, path, headers, body)
		end
	end
	at = place * 7
end

function request()
	at = at + 1
	return ready[at % #ready + 1]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format('{"requests":%d,"us":%d,"p50":%d,"p90":%d,"p99":%d,"max":%d,"failed":%d}\n', summary.requests,
		summary.duration, latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
		e.connect + e.read + e.write + e.status + e.timeout))
end
