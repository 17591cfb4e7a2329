// What the tests of a protocol need of the machine besides the laws.
export { type Cable, cableTo } from "./cable.ts";
export { type Certificate, type CertificateRequest, makeCertificate } from "./certificate.ts";
export { hasIpv6 } from "./loopback.ts";
export { hasProgram } from "./programs.ts";
