-- One line of JSON after wrk's own text. Only at the end: nothing is done per request.
done = function(summary, latency, requests)
  local e = summary.errors
  local wrong = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('{"requests": %d, "bytes": %d, "wrong": %d}\n',
    summary.requests, summary.bytes, wrong))
end
