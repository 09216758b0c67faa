import PluginKit

runPlugin(DNSHosts())
