-- A new schema in a new subject with each request: wrk -s register.lua URL -- PATH NAME CONNECTIONS SEED
local path, name, seed, n
function init(args)
  path, name, seed, n = args[1], args[2], args[3] .. "_" .. args[4], 0
  wrk.headers["Content-Type"] = "application/vnd.schemaregistry.v1+json"
end
function request()
  n = n + 1
  local body = string.format('{"schema":"{\\"type\\":\\"record\\",\\"name\\":\\"R%s_%d\\",\\"fields\\":[{\\"name\\":\\"a\\",\\"type\\":\\"long\\"},'
    .. '{\\"name\\":\\"b\\",\\"type\\":[\\"null\\",\\"string\\"],\\"default\\":null}]}"}', seed, n)
  return wrk.format("POST", string.format("%s/subjects/%s-%s-%d-value/versions", path, name, seed, n), nil, body)
end
