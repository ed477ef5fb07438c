-- Each thread sends GET to one path, with the tokens of a file in turn; the result is one line of JSON.
-- wrk … -s wrk.lua URL -- TOKENS-FILE PATH (an empty TOKENS-FILE: no token)
local threads = 0

function setup(thread)
	thread:set("place", threads)
	threads = threads + 1
end

function init(args)
	ready = {}
	local path = args[2]
	if args[1] == "" then
		ready[1] = wrk.format("GET", path)
	else
		for token in io.lines(args[1]) do
			ready[#ready + 1] = wrk.format("GET", path, { ["Authorization"] = "Bearer " .. token })
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
