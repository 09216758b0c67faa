import CCurl
import Etcd
import NetTypes

extension GatewayError {
  /// Interprets libcurl's error code of a failed transfer; see libcurl-errors(3).
  init(_ result: CURLcode, message: String) {
    switch result {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT: self.init(.unreachable, message)
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE,
      CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CIPHER, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED,
      CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT:
      self.init(.untrusted, message)
    // With TLS 1.3 the server refuses the client certificate only after the handshake; only the message shows that.
    case CURLE_RECV_ERROR where message.containsText("alert"): self.init(.untrusted, message)
    case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL, CURLE_OUT_OF_MEMORY: self.init(.refused, message)
    case CURLE_WRITE_ERROR: self.init(.refused, "the answer is too long")
    default: self.init(.unavailable, message)
    }
  }
}
