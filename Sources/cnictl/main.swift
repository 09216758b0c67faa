import ArgumentParser

Cnictl.main()
