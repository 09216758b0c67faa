import CNI
import NetTypes

/// Text in `CNI_ARGS` is read or refused with code 4.
func fuzz(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  do throws(CNIError) {
    let arguments = try CNIArguments(text)
    _ = try arguments.value("MAC", as: MACAddress.self)
    _ = try arguments.addresses("IP")
    _ = try arguments.value("GATEWAY", as: IPAddress.self)
    _ = arguments["K8S_POD_NAME"]
  } catch {
    require(error.code == .invalidEnvironment, "\(text): \(error)")
    require(!error.message.isEmpty, "\(text): the error has no message")
  }
}
